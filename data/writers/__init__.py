"""Writers: a Dataset becomes a folder on disk, one file per format; the readers' counterpart."""
