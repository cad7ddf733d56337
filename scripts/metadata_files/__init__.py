"""The pictures of scripts/metadata_matrix. Its docstring lists the requirements."""
