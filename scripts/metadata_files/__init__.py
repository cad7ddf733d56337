"""The pictures of scripts/metadata_matrix, which tells what they need."""
