"""`chainrule resume [RUN]`."""

from __future__ import annotations

from pathlib import Path

import click

from chainrule.cli.listen import conclude, listener
from chainrule.cli.options import debug_option, json_option
from chainrule.runs.folder import latest_run
from chainrule.runs.job import resume_run


@click.command()
@click.argument("run", required=False)
@json_option
@debug_option
def resume(run: str | None, as_json: bool) -> None:
    """Go on with RUN where it was stopped or killed: it ends with the same bits as if it had not been.

    RUN is a run's folder; by default the one in runs/ that was written to last. Its file and its options must be as
    they were.
    """
    conclude(resume_run(latest_run() if run is None else Path(run), [listener(as_json)]), as_json)
