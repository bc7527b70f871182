"""MLflow as a view of the files: the store, live curves, synchronisation."""
