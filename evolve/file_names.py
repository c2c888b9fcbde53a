"""The names of the files and folders that searches write. Standard library only."""

from pathlib import Path

# The folder of searches
RUNS = Path("runs")
LATEST = RUNS / "latest"  # a link to the search that began last
MLFLOW_FILE = "mlflow.db"
MLFLOW_ARTIFACTS = "mlartifacts"

# The directory of a search
JOURNAL_FILE = "journal.db"
LOCK_FILE = "lock"
SPACE_FILE = "space.yaml"
WINNER_FILE = "winner.yaml"
LINEAGE_FILE = "lineage.json"
GENERATIONS_FILE = "generations.csv"
LINEAGE_PAGE = "lineage.html"
REPORT_PAGE = "report.html"
