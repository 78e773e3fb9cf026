"""`chainrule bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from chainrule.bench import around as surroundings
from chainrule.bench import plot, runs, tables
from chainrule.bench.workloads import WORKLOADS
from chainrule.cli.options import debug_option
from chainrule.ir.errors import ArgumentError
from chainrule.threads import get_num_threads

OVERHEAD = "100,1000,10000,100000,1000000"
DEPTH = "2,4,8,16,32,64"
TABLES: dict[str, Any] = {
    "overhead": tables.overhead_table,
    "depth": tables.depth_table,
    "around": surroundings.around_table,
}


def listed(text: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    """An option like `torch,jax` as names, each of them known."""
    names = tuple([name.strip() for name in text.split(",") if name.strip()])
    unknown = [name for name in names or (text,) if name not in known]
    if unknown:
        raise ArgumentError(f"unknown {what} {', '.join(map(repr, unknown))}: there are {', '.join(known)}.")
    return names


def counts(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """An option like `--depth=2,4` as numbers of at least 1."""
    if text is None:
        return None
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = (0,)
    if min(found) < 1:
        raise click.BadParameter(f"{text!r} is no list of numbers of at least 1; write for example {DEPTH}.")
    return found


@click.command()
@click.option("--workloads", default=",".join(WORKLOADS), show_default=True, help="What to time.")
@click.option("--systems", help="Of chainrule,torch,jax; by default all that are installed.")
@click.option("--threads", type=click.IntRange(1), help="By default all cores.")
@click.option("--rounds", default=3, type=click.IntRange(1), show_default=True, help="Each system once in each.")
@click.option("--seconds", default=2.0, type=click.FloatRange(0), show_default=True, help="Of timing, in each round.")
@click.option("--overhead", is_flag=False, flag_value=OVERHEAD, callback=counts, help="Models of so many parameters.")
@click.option("--depth", is_flag=False, flag_value=DEPTH, callback=counts, help="Compile time of so many equal blocks.")
@click.option("--around", is_flag=True, help="Steps without @compile, epochs through a loader, predictions.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw the table too, as .svg or .png.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@debug_option
def bench(
    workloads: str,
    systems: str | None,
    threads: int | None,
    rounds: int,
    seconds: float,
    overhead: tuple[int, ...] | None,
    depth: tuple[int, ...] | None,
    around: bool,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Time training steps here, in chainrule and in PyTorch and JAX where they are installed.

    Each system runs in a process of its own, in turn. The limit is measured in the same sitting: multiply-adds that
    never leave the registers. `cold` is the first step beyond a usual one, `warm` the same in the next process.

    --overhead and --depth take a list (--depth=2,4) or have one of their own, and leave the workloads out. --around
    times what is around the workloads' compiled steps in place of these.
    """
    if picture is not None:
        if overhead or depth or around:
            raise ArgumentError("--plot draws the table of workloads: leave out --overhead, --depth and --around.")
        plot.check(picture)
    chosen = tuple([WORKLOADS[name] for name in listed(workloads, tuple(WORKLOADS), "workload")])
    plan = runs.Plan(chosen, chosen_systems(systems), threads or get_num_threads(), rounds, seconds)

    def say(line: str) -> None:
        click.echo(line, err=True)

    found: dict[str, Any] = {}
    if overhead:
        found["overhead"] = runs.overhead(plan, overhead, say)
    if depth:
        found["depth"] = runs.depth(plan, depth, say)
    if around:
        found["around"] = surroundings.around(plan, say)
    if not found:
        found["workloads"] = runs.run(plan, say)
        if picture is not None:
            plot.draw(found["workloads"], picture)
    if as_json:
        click.echo(json.dumps({name: result.as_dict() for name, result in found.items()}, indent=1))
        return
    for name, result in found.items():
        show = TABLES.get(name, tables.main_table)
        click.echo(f"{tables.heading(result)}\n\n{show(result)}\n")


def chosen_systems(text: str | None) -> tuple[str, ...]:
    """The systems to time: those that were named, which must be installed, or all that are."""
    there = runs.installed()
    if text is None:
        return there
    names = listed(text, runs.SYSTEMS, "system")
    absent = [name for name in names if name not in there]
    if absent:
        raise ArgumentError(f"{', '.join(absent)} cannot be timed: not installed. `pip install {' '.join(absent)}`.")
    return names
