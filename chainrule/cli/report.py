"""`chainrule report [RUN]`."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.options import debug_option, json_option
from chainrule.cli.show import VERSION, print_json, say
from chainrule.ir.errors import ChainruleError
from chainrule.report import render
from chainrule.runs.folder import latest_run, read_run
from chainrule.runs.job import add_trees


@click.command()
@click.argument("run", required=False)
@click.option("--trees/--no-trees", default=True, help="Compare with gradient-boosted trees, if there are none yet.")
@json_option
@debug_option
def report(run: str | None, trees: bool, as_json: bool) -> None:
    """Write the report of RUN, one page that every browser opens, and say where it is.

    Where scikit-learn is installed, a run that was not compared with gradient-boosted trees is now. RUN is a run's
    folder; by default the one in runs/ that was written to last.
    """
    folder = latest_run() if run is None else Path(run)
    read_run(folder)
    if trees:
        try:
            add_trees(folder)
        except ChainruleError as error:
            say(f"note: not compared with gradient-boosted trees: {error.message}")
    path = render(folder)
    if as_json:
        print_json({"event": "report", "version": VERSION, "path": str(path)})
    else:
        click.echo(str(path))
