"""Event data: from raw recordings to one verified store per data set. Needs no torch."""
