"""Runs random programs natively and by the reference, forward and backward. From the project's folder:

    python -m tools.fuzz [--programs 2000] [--seed 0] [--nodes 200] [--no-primitives]

First every primitive on random operands, in every element type and on every feature level; then random programs.
Every program has integers, booleans, random numbers, lookups and products in it, in float32 or (one in four) float64,
at one of the feature levels of this machine. Its values must be the reference's within `agreement.py`'s bounds, and its
bits the same on 1, 2, 3 and 4 threads. Prints the failures as they come, then totals; exits with 1 if there are any.
"""

from __future__ import annotations

import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from zlib import crc32

import click
import numpy as np

from chainrule.ir.primitive import REGISTRY
from chainrule.ir.types import DTYPES
from tests.backends.native import primitive_checks
from tests.backends.native.agreement import LEVELS, Sample, check, sample
from tests.backends.native.primitive_cases import PRIMITIVES, cases


def drawn(seed: int, nodes: int) -> Sample:
    """A program of at most so many nodes, of whatever length that allows."""
    dtype = np.float64 if seed % 4 == 3 else np.float32
    length = 3 + seed % 25
    while True:
        found = sample(seed, length, dtype)
        if len(found.graph.nodes) <= nodes or length == 1:
            return found
        length = max(1, length * 2 // 3)


def attempt(seed: int, nodes: int) -> tuple[int, str]:
    """(the nodes of the program of a seed, what is wrong with it)."""
    found = None
    try:
        found = drawn(seed, nodes)
        check(found, LEVELS[seed // 4 % len(LEVELS)])
    except Exception as error:  # whatever a wrong compiler may do
        where = traceback.extract_tb(error.__traceback__)[-1]
        names = " ".join(found.names) if found is not None else ""
        what = (
            f"{type(error).__name__} {str(error)[:200]} ({where.filename.rpartition('/')[2]}:{where.lineno})\n  {names}"
        )
        return len(found.graph.nodes) if found is not None else 0, what
    return len(found.graph.nodes), ""


def primitives(seed: int) -> Iterator[tuple[str, str]]:
    """(what was tried, what is wrong with it or nothing) for each primitive, element type and level."""
    for name in PRIMITIVES:
        for dtype in DTYPES:
            given = cases(REGISTRY[name], dtype, np.random.default_rng([seed, crc32(f"{name} {dtype.name}".encode())]))
            for level in LEVELS if given else ():
                what = f"{name} {dtype.name} {level.name}"
                try:
                    primitive_checks.check(name, given, level)
                except Exception as error:  # whatever a wrong compiler may do
                    yield what, f"{type(error).__name__} {str(error)[:400]}"
                else:
                    yield what, ""


@click.command()
@click.option("--programs", default=2000, show_default=True)
@click.option("--seed", default=0, show_default=True, help="The first program's; they are numbered from it.")
@click.option("--nodes", default=200, show_default=True, help="At most, in a program's graph.")
@click.option("--primitives/--no-primitives", "alone", default=True, help="Each primitive by itself first.")
def main(programs: int, seed: int, nodes: int, alone: bool) -> None:
    """Compares primitives and random programs."""
    warnings.simplefilter("ignore")
    start, failures, total = time.monotonic(), 0, 0
    if alone:
        tried = list(primitives(seed))
        failures += sum(bool(wrong) for _, wrong in tried)
        for what, wrong in tried:
            if wrong:
                print(f"{what}: {wrong}")
        print(f"{len(tried)} times a primitive in an element type at a level, {failures} failures", flush=True)
    for k in range(seed, seed + programs):
        count, what = attempt(k, nodes)
        total += count
        if what:
            failures += 1
            print(f"seed {k}: {what}", flush=True)
    seconds = time.monotonic() - start
    print(f"seed {seed}, {programs} programs, {total} nodes, {failures} failures, {seconds:.0f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
