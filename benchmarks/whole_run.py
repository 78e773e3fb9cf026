"""How long does a whole run take, from the start of the process to its end, beside Keras and scikit-learn? Prints JSON.

usage: python benchmarks/whole_run.py [--toy]

Each system trains a network of hidden widths 128 and 64 with Adam on the training rows of penguins and of digits, for
as many epochs in batches of the same size, tests it on the same rows and leaves. `chainrule train` also reads the
table, encodes it, writes checkpoints and records, fits its baselines and draws its report; the others are given arrays,
and write nothing. Each is a process of its own, in turn; seconds are the best and the median of several rounds, with
warm caches.
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

import numpy as np

from chainrule.runs.config import RunConfig
from chainrule.runs.prepare import prepare

TOY = "--toy" in sys.argv
ROUNDS, EPOCHS = (1, 1) if TOY else (7, 60)
SETS = {"penguins": 16, "digits": 32}  # the size of a batch

SKLEARN = """
import sys
import numpy as np
from sklearn.neural_network import MLPClassifier

arrays = np.load(sys.argv[1])
model = MLPClassifier((128, 64), batch_size=int(sys.argv[2]), max_iter=int(sys.argv[3]), n_iter_no_change=10**6, tol=0)
model.fit(arrays["x"], arrays["y"])
print((model.predict(arrays["x_test"]) == arrays["y_test"]).mean())
"""
KERAS = """
import sys
import numpy as np
import keras

arrays = np.load(sys.argv[1])
classes = int(arrays["y"].max()) + 1
widths = [keras.layers.Dense(128, "relu"), keras.layers.Dense(64, "relu"), keras.layers.Dense(classes)]
model = keras.Sequential(widths)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(arrays["x"], arrays["y"], batch_size=int(sys.argv[2]), epochs=int(sys.argv[3]), verbose=0)
print(model.evaluate(arrays["x_test"], arrays["y_test"], verbose=0)[1])
"""


def command(system: str, name: str, arrays: Path) -> list[str]:
    """How a system's process is started."""
    size, epochs = str(SETS[name]), str(EPOCHS)
    if system == "chainrule":
        options = ["--epochs", epochs, "--patience", "0", "--batch-size", size, "--hidden", "128,64"]
        return [sys.executable, "-m", "chainrule", "train", name, *options]
    return [sys.executable, "-c", {"scikit-learn": SKLEARN, "keras": KERAS}[system], str(arrays), size, epochs]


def seconds(words: list[str], folder: Path) -> float:
    """One process, from its start to its end."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed packages are
    if importlib.util.find_spec("jax"):
        environment["KERAS_BACKEND"] = "jax"  # Keras's fastest on a CPU
    begun = time.perf_counter()
    subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=True)
    return time.perf_counter() - begun


def timed(name: str, folder: Path) -> dict[str, dict[str, float]]:
    """All systems on one data set, in turn."""
    prepared = prepare(RunConfig(name))
    arrays = folder / f"{name}.npz"
    train, test = prepared.train, prepared.test
    np.savez(arrays, x=train.x, y=train.y, x_test=test.x, y_test=test.y)
    modules = {"scikit-learn": "sklearn", "keras": "keras"}
    systems = ["chainrule", *(system for system, module in modules.items() if importlib.util.find_spec(module))]
    if TOY:
        systems = systems[:1]
    found: dict[str, list[float]] = {system: [] for system in systems}
    for number in range(ROUNDS + 1):
        for system in systems:
            taken = seconds(command(system, name, arrays), folder)
            if number or TOY:  # the first fills the caches
                found[system].append(taken)
    return {
        system: {"best_s": round(min(times), 3), "median_s": round(statistics.median(times), 3)}
        for system, times in found.items()
    }


def main() -> None:
    """Times and prints."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "commit": commit.strip(),
            "machine": platform.processor() or platform.machine(),
            "rounds": ROUNDS,
            "epochs": EPOCHS,
            **{name: timed(name, Path(folder)) for name in SETS},
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
