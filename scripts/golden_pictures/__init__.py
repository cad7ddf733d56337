"""The pictures of scripts/goldens, which tells what they need."""
