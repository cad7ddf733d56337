"""Pictures with known text, for the goldens and the benchmark of reading text."""
