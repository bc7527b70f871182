"""Decoders of event files, one format a module: each gives the `EVENT` records of a file, or a `DataError`."""
