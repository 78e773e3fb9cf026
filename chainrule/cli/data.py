"""`chainrule data [NAME --out FILE]`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from chainrule.cli.options import debug_option, json_option
from chainrule.cli.show import VERSION, dim, pasted, print_json, table
from chainrule.data.shipped import SHIPPED, Shipped, digits_table, shipped_path, write_csv
from chainrule.ir.errors import ArgumentError
from chainrule.train.files import write_whole


@click.command()
@click.argument("name", required=False)
@click.option("--out", metavar="FILE", help="Write it there; - is stdout.")
@json_option
@debug_option
def data(name: str | None, out: str | None, as_json: bool) -> None:
    """List the data sets that come along, or write one to a file.

    Tables become CSV files, texts plain text, both in UTF-8.
    """
    if name is None:
        if out is not None:
            raise ArgumentError(f"--out needs the name of a data set: {', '.join(SHIPPED)}.")
        describe(list(SHIPPED.values()), as_json)
        return
    content = content_of(name)
    if out is None:
        describe([SHIPPED[name]], as_json)
    elif out == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write(content, Path(out))
        click.echo(f"{out}: {len(content):,} bytes, {SHIPPED[name].licence}")
        if SHIPPED[name].target is not None:
            click.echo(f"next:\n  {pasted('chainrule', 'train', out, '--target', SHIPPED[name].target)}")


def content_of(name: str) -> bytes:
    """A data set as a file: a table as CSV, a text as it is. ArgumentError for an unknown name."""
    path = shipped_path(name)
    return write_csv(digits_table()[0]).encode() if path.suffix == ".npz" else path.read_bytes()


def write(content: bytes, path: Path) -> None:
    """Writes a new file. ArgumentError if there is one."""
    if path.exists():
        raise ArgumentError(f"--out {path} exists already; name another file, or remove it.")
    write_whole(path, [content])


def describe(sets: list[Shipped], as_json: bool) -> None:
    """A line for each."""
    if as_json:
        for one in sets:
            print_json(
                {
                    "event": "data_set",
                    "version": VERSION,
                    "name": one.name,
                    "what": one.what,
                    "target": one.target,
                    "licence": one.licence,
                }
            )
        return
    for line in table([(one.name, one.what, dim(one.licence)) for one in sets], indent=0):
        click.echo(line)
    if len(sets) > 1:
        click.echo(f"\nnext:\n  {pasted('chainrule', 'train', sets[0].name)}")
