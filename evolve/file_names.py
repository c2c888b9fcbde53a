"""The names of the files and folders that searches and trainings write. Standard library only."""

from pathlib import Path

# The folder of searches
RUNS = Path("runs")
LATEST = RUNS / "latest"  # a link to the search that began last
MLFLOW_FILE = "mlflow.db"
MLFLOW_ARTIFACTS = "mlartifacts"

# The directory of a search
JOURNAL_FILE = "journal.db"
LOCK_FILE = "lock"
STOP_FILE = "stop-request"  # removed by the search that takes it
SPACE_FILE = "space.yaml"
WINNER_FILE = "winner.yaml"
LINEAGE_FILE = "lineage.json"
GENERATIONS_FILE = "generations.csv"
LINEAGE_PAGE = "lineage.html"
REPORT_PAGE = "report.html"

# The folder of a training (evolve train)
DETECTOR_FILE = "detector.keras"  # after the last step
BEST_DETECTOR_FILE = "best.keras"  # at the step with the best validation score
CURVE_FILE = "curve.csv"
PREDICTIONS_FILE = "predictions.jpg"
TRAINING_FILE = "training.json"  # written last: the training is finished
UNFINISHED = "unfinished"  # a folder: what an unfinished training goes on from; removed at its end
