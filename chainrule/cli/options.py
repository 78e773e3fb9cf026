"""The options that commands share, and what their texts mean."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Any

import click

from chainrule.runs.config import Share

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Parse = Callable[[str], Any]


class Parsed(click.ParamType[Any]):
    """A type of option that a function reads; what it raises as ValueError is what the user sees."""

    def __init__(self, name: str, parse: Parse) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """The option's value."""
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), parameter, context)


def widths(text: str) -> tuple[int, ...]:
    """`128,64` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is no list of widths; write for example 128,64.") from None


def names(text: str) -> tuple[str, ...]:
    """`a,b` as names of columns; one that holds a comma stands in double quotes."""
    (row,) = csv.reader([text], skipinitialspace=True)
    return tuple(name.strip() for name in row if name.strip())


def share(text: str) -> Share:
    """`0.2` as a number, anything else as the name of a file."""
    try:
        return float(text)
    except ValueError:
        return text


def duration(text: str) -> float:
    """`90`, `90s`, `10m` or `1h30m` in seconds."""
    try:
        return float(text)
    except ValueError:
        pass
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise ValueError(f"{text!r} is no length of time; write for example 90s, 10m or 1h30m.")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def class_weights(text: str) -> str | dict[str, float]:
    """`balanced`, or `yes=2,no=1` as weights by class."""
    if text == "balanced":
        return text
    found = {}
    for part in names(text):
        name, _, weight = part.rpartition("=")
        try:
            found[name.strip()] = float(weight)
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"{part!r} is no weight of a class; write balanced, or for example yes=2,no=1.")
    return found


WIDTHS = Parsed("widths", widths)
NAMES = Parsed("names", names)
SHARE = Parsed("share|file", share)
DURATION = Parsed("duration", duration)
CLASS_WEIGHTS = Parsed("balanced|weights", class_weights)


def joined(context: click.Context, parameter: click.Parameter, value: tuple[tuple[str, ...], ...]) -> Any:
    """The names of an option that was given several times."""
    return tuple(name for some in value for name in some)


def joined_or_none(context: click.Context, parameter: click.Parameter, value: tuple[tuple[str, ...], ...]) -> Any:
    """The same; None where it was not given."""
    return joined(context, parameter, value) if value else None


def several(*declarations: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that takes names, and may be given again for more."""
    return click.option(*declarations, type=NAMES, multiple=True, **settings)


DATA = (
    click.option("--target", metavar="COLUMN", help="The column to predict."),
    click.option("--task", metavar="TASK", help="classification or regression; by default the target tells."),
    several("--drop", callback=joined, metavar="COLUMNS", help="Columns to leave out: a,b."),
    several("--features", callback=joined_or_none, metavar="COLUMNS", help="Only these columns: a,b."),
    click.option("--valid", type=SHARE, metavar="SHARE|FILE", help="Rows to stop by; by default 0.1."),
    click.option("--test", type=SHARE, metavar="SHARE|FILE", help="Rows to test on; by default 0.2."),
    click.option("--group", metavar="COLUMN", help="Rows that agree in it stay together."),
    click.option("--time", metavar="COLUMN", help="The latest rows are the test."),
)
MODEL = (
    click.option("--model", metavar="MODEL", help="A preset (mlp, linear), or file.py:Name."),
    click.option("--hidden", type=WIDTHS, metavar="WIDTHS", help="Widths of the hidden layers: 128,64."),
    click.option("--activation", metavar="NAME", help="Between layers: relu, gelu, silu, tanh."),
    click.option("--init", metavar="NAME", help="How weights begin."),
    click.option("--norm", metavar="NAME", help="batch, layer or none."),
    click.option("--dropout", type=float, metavar="SHARE", help="Activations dropped in training."),
)
TRAINING = (
    click.option("--l1", type=float, metavar="NUMBER", help="Penalty on the sum of |weights|."),
    click.option("--weight-decay", type=float, metavar="NUMBER", help="How far weights are drawn to 0."),
    click.option("--clip", type=float, metavar="NORM", help="Largest norm of the gradient."),
    click.option("--loss", metavar="NAME", help="What is minimised."),
    click.option("--class-weight", type=CLASS_WEIGHTS, metavar="WEIGHTS", help="balanced, or yes=2,no=1."),
    click.option("--epochs", type=int, metavar="NUMBER", help="Passes over the training part, at most."),
    click.option("--batch-size", type=int, metavar="ROWS", help="Rows per step."),
    click.option("--lr", type=float, metavar="RATE", help="Largest learning rate."),
    click.option("--optimizer", metavar="NAME", help="adamw, adam, sgd, ..."),
    click.option("--schedule", metavar="NAME", help="How the learning rate goes: onecycle, cosine, constant."),
    click.option("--warmup", type=float, metavar="SHARE", help="Steps in which it rises."),
    click.option("--patience", type=int, metavar="EPOCHS", help="Stop after so many without a better validation."),
    click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same bits."),
)
MACHINE = (
    click.option("--time-limit", type=DURATION, metavar="TIME", help="Stop after 90s, 10m, 1h30m."),
    click.option("--threads", type=int, metavar="NUMBER", help="By default all cores."),
    click.option("--no-compile", is_flag=True, help="Run every step op by op."),
)


def with_options(*groups: tuple[Any, ...]) -> Callable[[Any], Any]:
    """A decorator that adds groups of options, in their order."""

    def add(function: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return add


def debug_option(function: Any) -> Any:
    """`--debug`, which the command line looks for where it says what went wrong."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Print tracebacks of errors.")(function)


def json_option(function: Any) -> Any:
    """`--json` as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line on stdout.")(function)
