"""Records: the journal, the lineage, and the tracker that shows them in MLflow."""
