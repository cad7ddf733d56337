"""The parts of scripts/export_clip.py, which tells what they need."""


class Failure(Exception):
    """What is wrong with a checkpoint, or with what was made of it."""
