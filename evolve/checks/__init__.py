"""What is checked before time is spent: before a search, before a resume, the disk, the versions."""
