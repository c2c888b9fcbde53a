"""Records: the journal, the state folded from it, lineage and forecast, the display, the tracker for MLflow."""
