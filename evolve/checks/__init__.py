"""Checks before time is spent: before a search, before a resume, of the disk, of the versions."""
