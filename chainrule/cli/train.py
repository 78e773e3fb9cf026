"""`chainrule train SOURCE`."""

from __future__ import annotations

import sys
from typing import Any

import click

from chainrule.cli.listen import conclude, listener
from chainrule.cli.options import DATA, MACHINE, MODEL, TRAINING, Sectioned, debug_option, json_option, with_options
from chainrule.runs.config import RunConfig
from chainrule.runs.job import train_run


@click.command(cls=Sectioned)
@click.argument("source")
@with_options(DATA, MODEL, TRAINING, MACHINE)
@click.option("--trees/--no-trees", default=None, help="Compare with gradient-boosted trees (scikit-learn's).")
@click.option("--out", metavar="FOLDER", help="Folder of the run.  [the next runs/SOURCE-N]")
@json_option
@debug_option
def train(source: str, no_compile: bool, out: str | None, as_json: bool, **options: Any) -> None:
    """Train a network on SOURCE, test it and save it.

    SOURCE is a CSV or Parquet file, or a data set that comes along: penguins, digits. What no option says is chosen to
    suit the data; every value that is used is printed with its reason, and stored.
    """
    config = RunConfig(source, compile=not no_compile, **options)
    conclude(train_run(config, [listener(as_json)], out=out, command=["chainrule", *sys.argv[1:]]), as_json)
