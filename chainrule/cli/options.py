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


class InSection(click.Option):
    """An option under a heading of the help."""

    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


class Sectioned(click.Command):
    """A command whose help has its options under headings, the others last."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        others = []
        for parameter in self.get_params(context):
            line = parameter.get_help_record(context)
            if line is None or not isinstance(parameter, click.Option):
                continue
            if isinstance(parameter, InSection):
                sections.setdefault(parameter.section, []).append(line)
            else:
                others.append(line)
        for title, lines in {**sections, "Other": others}.items():
            with formatter.section(title):
                formatter.write_dl(lines)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def several(*declarations: str, **settings: Any) -> Decorator:
    """An option that takes names, and may be given again for more."""
    return click.option(*declarations, type=NAMES, multiple=True, **settings)


def section(title: str, *options: tuple[str, str | None, Any, str]) -> tuple[Decorator, ...]:
    """Options of a section: name, what stands for its value in the help, its type, its help."""
    return tuple(
        click.option(name, type=type, metavar=metavar, help=text, cls=InSection, section=title)
        for name, metavar, type, text in options
    )


def columns(name: str, text: str, callback: Any) -> Decorator:
    """An option of the data that names columns."""
    return several(name, callback=callback, metavar="COLUMNS", help=text, cls=InSection, section="Data")


DATA = (
    *section(
        "Data",
        ("--target", "COLUMN", str, "What to predict."),
        ("--task", "TASK", str, "classification or regression; the target tells."),
    ),
    columns("--drop", "Leave these columns out: a,b.", joined),
    columns("--features", "Use only these columns: a,b.", joined_or_none),
    *section(
        "Data",
        ("--valid", "SHARE|FILE", SHARE, "Rows that choose when to stop.  [0.1]"),
        ("--test", "SHARE|FILE", SHARE, "Rows that the result is measured on.  [0.2]"),
        ("--group", "COLUMN", str, "Rows that agree in it stay in one part."),
        ("--time", "COLUMN", str, "The latest rows are the test."),
    ),
)
MODEL = section(
    "Model",
    ("--model", "MODEL", str, "wide, mlp, linear, or file.py:Name."),
    ("--hidden", "WIDTHS", WIDTHS, "Widths of the hidden layers: 128,64."),
    ("--activation", "NAME", str, "relu, leaky_relu, elu, selu, gelu, silu, mish, tanh, sigmoid."),
    (
        "--init",
        "NAME",
        str,
        "default, kaiming_uniform, kaiming_normal, xavier_uniform, xavier_normal, orthogonal, normal.",
    ),
    ("--norm", "NAME", str, "none, batch, layer."),
    ("--dropout", "SHARE", float, "Activations that training drops."),
)
TRAINING = (
    *section(
        "Training",
        ("--loss", "NAME", str, "cross_entropy; for numbers mse, mae, huber."),
        ("--class-weight", "WEIGHTS", CLASS_WEIGHTS, "balanced, or yes=2,no=1."),
        ("--epochs", "NUMBER", int, "Passes over the training rows, at most."),
        ("--batch-size", "ROWS", int, "Rows of a step."),
        ("--lr", "RATE", float, "Largest learning rate; `chainrule lr` suggests one."),
        ("--optimizer", "NAME", str, "adamw, adam, sgd, rmsprop, adagrad."),
        ("--schedule", "NAME", str, "Of the learning rate: onecycle, cosine, linear, constant."),
        ("--warmup", "SHARE", float, "Steps in which the learning rate rises."),
        ("--patience", "EPOCHS", int, "Stop after so many that are no better; 0: never."),
        ("--weight-decay", "NUMBER", float, "How far each step draws weights to 0."),
        ("--l1", "NUMBER", float, "Penalty on the sum of |weights|."),
        ("--clip", "NORM", float, "Largest norm of the gradient."),
    ),
    click.option(
        "--seed", type=int, default=0, help="The same seed gives the same bits.  [0]", cls=InSection, section="Training"
    ),
)
MACHINE = (
    *section(
        "Machine",
        ("--time-limit", "TIME", DURATION, "Stop after 90s, 10m or 1h30m."),
        ("--threads", "NUMBER", int, "All cores by default; the bits are the same."),
    ),
    click.option(
        "--no-compile", is_flag=True, help="Run step by step, without machine code.", cls=InSection, section="Machine"
    ),
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
