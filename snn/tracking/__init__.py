"""MLflow as a view of the files: live curves while a training runs, and runs rebuilt from the files at any time.

    store    the local store, or the server that MLFLOW_TRACKING_URI names
    runs     name, parameters, tags and metrics of a cell's run
    live     one point an epoch while a training runs
    sync     after the jobs: one run a cell, with everything that its files hold

MLflow takes seconds to import, so these modules import it only where it is used.
"""
