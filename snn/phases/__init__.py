"""The steps of the DAG, one file each: each reads files and writes files."""
