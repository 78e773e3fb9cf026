"""The main table as a picture, where matplotlib is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from chainrule.bench.runs import Result
from chainrule.bench.tables import of_peak
from chainrule.ir.errors import ArgumentError

SUFFIXES = (".png", ".svg")


def check(path: Path) -> None:
    """ArgumentError if no picture can be written there: said before an hour of measuring, not after it."""
    if path.suffix not in SUFFIXES:
        raise ArgumentError(f"--plot {path}: the name must end in {' or '.join(SUFFIXES)}.")
    if not path.absolute().parent.is_dir():
        raise ArgumentError(f"--plot {path}: there is no folder {path.absolute().parent}.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ArgumentError("--plot needs matplotlib, which is not installed: `pip install matplotlib`.")


def draw(result: Result, path: Path) -> None:
    """Percent of peak, a group of bars for each workload; beside it the step times, on a logarithmic axis."""
    from matplotlib.figure import Figure

    names, systems = [workload.name for workload in result.plan.workloads], result.plan.systems
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    width = 0.8 / len(systems)
    for k, system in enumerate(systems):
        timings = [t for t in result.timings if t.system == system]
        places = [at + (k - (len(systems) - 1) / 2) * width for at in range(len(names))]
        left.bar(places, [100 * (of_peak(result, t) or 0) for t in timings], width, label=system)
        right.bar(places, [1e3 * t.best for t in timings], width, label=system)
    left.set_ylabel("percent of the measured peak")
    right.set_ylabel("best step, ms")
    right.set_yscale("log")
    for axes in (left, right):
        axes.set_xticks(range(len(names)), names)
    left.legend()
    figure.savefig(path)
