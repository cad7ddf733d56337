"""The parts of scripts/model_goldens, which tells what they need."""
