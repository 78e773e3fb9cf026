"""`chainrule report [RUN]`."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.options import debug_option, json_option
from chainrule.cli.show import VERSION, print_json
from chainrule.report import render
from chainrule.runs.folder import latest_run, read_run


@click.command()
@click.argument("run", required=False)
@json_option
@debug_option
def report(run: str | None, as_json: bool) -> None:
    """Write the report of RUN, one page that every browser opens, and say where it is.

    RUN is a run's folder; by default the one in runs/ that was written to last.
    """
    folder = latest_run() if run is None else Path(run)
    read_run(folder)
    path = render(folder)
    if as_json:
        print_json({"event": "report", "version": VERSION, "path": str(path)})
    else:
        click.echo(str(path))
