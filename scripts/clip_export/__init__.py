"""The parts of scripts/export_clip.py. Its docstring lists the requirements."""


class Failure(Exception):
    """A problem with a checkpoint or with its export."""
