"""Execution: runs trials, in this process or on Ray."""
