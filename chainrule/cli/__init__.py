"""Floor 9: the command line, one file per command."""

from __future__ import annotations

import importlib
from typing import Any

# Each command's name, which is its file's too, and its line in `chainrule --help`. A command's file is imported when
# it is called: `chainrule data` does not wait for the trainer.
COMMANDS = {
    "train": "Train a network on a table, test it and save it.",
    "predict": "Predict the rows of a file with a run's model.",
    "resume": "Go on with a run that was interrupted.",
    "report": "Write a run's report.html and say where it is.",
    "lr": "Find a learning rate for a source.",
    "data": "List the data sets that come along, or write one to a file.",
    "bench": "Time training steps here, beside PyTorch and JAX.",
}


def __getattr__(name: str) -> Any:
    if name in COMMANDS:
        return importlib.import_module(f"chainrule.cli.{name}")
    raise AttributeError(f"module 'chainrule.cli' has no attribute {name!r}")
