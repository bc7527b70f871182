"""One benchmark: its cells, what each of their jobs depends on, and where their files are."""
