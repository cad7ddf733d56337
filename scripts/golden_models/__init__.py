"""The parts of scripts/model_goldens. Its docstring lists the requirements."""
