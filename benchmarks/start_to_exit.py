"""Does a whole run, from start to exit, take less time than the same in Keras or scikit-learn? Prints JSON.

usage: python benchmarks/start_to_exit.py [--toy]

`chainrule train` reads the file, splits, encodes, trains with metrics, checkpoints and records, tests, fits baselines,
saves the model and writes the report. The peers get encoded arrays, train as many epochs of as large batches with
layers of the same widths, and test; those that are not installed are left out. Each run is a process, in turn, after
one round that warms caches. Seconds, best and median.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.runs.config import RunConfig
from chainrule.runs.prepare import prepare

TOY = "--toy" in sys.argv
SOURCES, ROUNDS, EPOCHS = (("penguins",), 1, 1) if TOY else (("penguins", "digits"), 3, 60)
HIDDEN, BATCH = (128, 64), 32
CHAINRULE = """
import sys
from chainrule.cli.main import main
sys.argv = ["chainrule", "train", {source!r}, "--epochs", "{epochs}", "--batch-size", "{batch}", "--hidden", "128,64",
            "--patience", "0", "--out", {out!r}]
main()
"""
SKLEARN = """
import numpy as np
from sklearn.neural_network import MLPClassifier
data = np.load({arrays!r})
model = MLPClassifier({hidden}, batch_size={batch}, max_iter={epochs}, n_iter_no_change={epochs}, random_state=0)
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that it has not converged
    model.fit(data["x"], data["y"])
print(model.score(data["x_test"], data["y_test"]))
"""
KERAS = """
import numpy as np
import keras
data = np.load({arrays!r})
layers = [keras.layers.Dense(width, activation="relu") for width in {hidden}]
model = keras.Sequential([*layers, keras.layers.Dense({classes})])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
valid = (data["x_valid"], data["y_valid"])
model.fit(data["x"], data["y"], batch_size={batch}, epochs={epochs}, verbose=0, validation_data=valid)
print(model.evaluate(data["x_test"], data["y_test"], verbose=0))
"""


def programs(source: str, folder: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """The program of each system that is installed, and what it wants in its environment."""
    prepared = prepare(RunConfig(source))
    parts = {"": prepared.train, "_valid": prepared.valid, "_test": prepared.test}
    arrays: dict[str, Any] = {f"x{name}": part.x for name, part in parts.items()}
    arrays |= {f"y{name}": part.y for name, part in parts.items()}
    path = folder / f"{source}.npz"
    np.savez(path, **arrays)
    classes = prepared.labels.width
    words = {"arrays": str(path), "hidden": HIDDEN, "batch": BATCH, "epochs": EPOCHS, "classes": classes}
    found: dict[str, tuple[str, dict[str, str]]] = {
        "chainrule": (CHAINRULE.format(source=source, out="OUT", **words), {}),
    }
    if not TOY and importlib.util.find_spec("sklearn"):
        found["scikit-learn"] = SKLEARN.format(**words), {}
    for backend in ("torch", "jax"):
        if not TOY and importlib.util.find_spec("keras") and importlib.util.find_spec(backend):
            found[f"Keras on {backend}"] = KERAS.format(**words), {"KERAS_BACKEND": backend}
    return found


def seconds(program: str, environment: dict[str, str], out: Path) -> float:
    """How long a process takes, from start to exit."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program.replace("OUT", str(out))],
        env={**os.environ, **environment},
        cwd=out.parent,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def compared(source: str, folder: Path) -> dict[str, dict[str, float]]:
    """The seconds of each system's runs, in turn."""
    timed: dict[str, list[float]] = {}
    asked = programs(source, folder)
    for number in range(ROUNDS + 1):
        for system, (program, environment) in asked.items():
            took = seconds(program, environment, folder / f"{source}-{number}")
            if number:  # the round before warmed the caches
                timed.setdefault(system, []).append(took)
    return {
        system: {"best_s": round(min(took), 3), "median_s": round(statistics.median(took), 3)}
        for system, took in timed.items()
    }


if __name__ == "__main__":
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    with tempfile.TemporaryDirectory() as name:
        runs = {source: compared(source, Path(name)) for source in SOURCES}
    print(
        json.dumps(
            {
                "commit": commit.strip(),
                "machine": platform.processor() or platform.machine(),
                "epochs": EPOCHS,
                "batch": BATCH,
                "runs": runs,
            },
            indent=1,
        )
    )
