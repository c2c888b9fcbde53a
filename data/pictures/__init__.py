"""Picture files: read their pixels and headers, turn them upright, keep decoded pictures on disk and in memory."""
