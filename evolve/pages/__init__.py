"""Pages: lineage.html and report.html of a search, made of its state alone; each is one file that needs no network."""
