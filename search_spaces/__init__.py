"""Search spaces and recipes as YAML files: data, not code."""
