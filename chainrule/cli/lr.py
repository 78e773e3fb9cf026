"""`chainrule lr SOURCE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from chainrule.cli.options import DATA, MODEL, TRAINING, Sectioned, debug_option, json_option, with_options
from chainrule.cli.show import VERSION, pasted, plain, print_json, say
from chainrule.cli.text_plot import text_plot
from chainrule.ir.errors import ArgumentError
from chainrule.runs.config import RunConfig
from chainrule.runs.job import find_rate
from chainrule.train.files import write_whole


@click.command(cls=Sectioned)
@click.argument("source")
@with_options(DATA, MODEL, TRAINING)
@click.option("--threads", type=int, metavar="NUMBER", help="By default all cores.")
@click.option("--no-compile", is_flag=True, help="Run every step op by op.")
@click.option("--out", metavar="FILE", help="Write the curve there, as JSON.")
@json_option
@debug_option
def lr(source: str, no_compile: bool, out: str | None, as_json: bool, **options: Any) -> None:
    """Find a learning rate for SOURCE, with the options that `train` would get.

    Up to 100 steps at rates from 1e-8 to 1; it stops where the loss is four times its best. The suggestion is where the
    loss falls fastest. Nothing is written unless --out says where.
    """
    if out is not None and Path(out).exists():
        raise ArgumentError(f"--out {out} exists already; name another file, or remove it.")
    found = find_rate(RunConfig(source, compile=not no_compile, **options))
    content = {"suggestion": found.suggestion, "rates": list(found.rates), "losses": list(found.losses)}
    if out is not None:
        write_whole(Path(out), [(json.dumps(plain(content)) + "\n").encode()])
    if as_json:
        print_json({"event": "learning_rate", "version": VERSION, **content})
        return
    for line in text_plot(found.rates, found.losses, found.suggestion):
        say(line)
    if found.suggestion is None:
        raise ArgumentError("no learning rate can be suggested: the loss never falls.")
    click.echo(f"learning rate {found.suggestion:.2g}")
    words = pasted("chainrule", "train", *for_train(sys.argv[2:]), "--lr", f"{found.suggestion:.2g}")
    click.echo(f"next:\n  {words}")


def for_train(words: list[str]) -> list[str]:
    """The words of this command that `train` is to get too."""
    places = {place + 1 for place, word in enumerate(words) if word == "--out"}
    return [
        word
        for place, word in enumerate(words)
        if place not in places and word.partition("=")[0] not in ("--out", "--debug", "--json")
    ]
