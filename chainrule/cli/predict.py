"""`chainrule predict [RUN] DATA`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import click
import numpy as np
import numpy.typing as npt

from chainrule.cli.options import debug_option, several
from chainrule.cli.run_lines import measures_text
from chainrule.cli.show import say
from chainrule.data.reading import read_table
from chainrule.data.sources import open_source
from chainrule.data.table import Table
from chainrule.ir.errors import ArgumentError
from chainrule.runs import predictions
from chainrule.runs.folder import latest_run, read_run
from chainrule.runs.measures import measures
from chainrule.train.predictor import Predictor, load

PARQUET = b"PAR1"


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[RUN] DATA")
@several("--keep", metavar="COLUMNS", help="Columns of DATA to put before the prediction: a,b.")
@click.option("--out", metavar="FILE", help="Write there; by default to stdout.")
@debug_option
def predict(words: tuple[str, ...], keep: tuple[tuple[str, ...], ...], out: str | None) -> None:
    """Predict every row of DATA with the model of RUN, as CSV in DATA's order.

    DATA is a CSV or Parquet file, a data set that comes along, or - for stdin. RUN is a run's folder or its
    model.safetensors; by default the run in runs/ that was written to last. Where DATA has the target's column too, how
    good the predictions are goes to stderr.
    """
    run, source = (None, *words) if len(words) == 1 else words[:2]
    if len(words) > 2:
        raise ArgumentError(f"predict takes RUN and DATA, and got {len(words)} words: {' '.join(words)}.")
    assert source is not None
    predictor = opened(latest_run() if run is None else Path(run))
    table = read_source(source, predictor)
    kept = [name for names in keep for name in names]
    for name in kept:
        table[name]  # raises for one that is not there
    for note in predictor.encoding.check(table):
        say(f"note: {note}")
    answers = Answers(predictor, table, kept)
    with writing(out) as file:
        answers.write(file)
    answers.judge()


def opened(path: Path) -> Predictor:
    """The model of a run's folder, or of a file. ArgumentError for a folder that is none, or whose run has no model."""
    if path.is_dir() or not path.exists():
        read_run(path)
    return load(path)


def read_source(source: str, predictor: Predictor) -> Table:
    """The table of a file, of stdin, or of a shipped data set, in the kinds that the model was trained with."""
    kinds = {**predictor.encoding.kinds, predictor.labels.name: predictor.labels.kind}
    if source == "-":
        with tempfile.TemporaryDirectory() as folder:
            return read_table(from_stdin(Path(folder)), like=kinds)
    if Path(source).exists():
        return read_table(source, like=kinds)
    return open_source(source).table


def from_stdin(folder: Path) -> Path:
    """What stands on stdin, as a file."""
    stream = sys.stdin.buffer
    start = stream.read(len(PARQUET))
    path = folder / ("stdin.parquet" if start == PARQUET else "stdin")
    with path.open("wb") as file:
        file.write(start)
        shutil.copyfileobj(stream, file)
    return path


@contextmanager
def writing(out: str | None) -> Iterator[TextIO]:
    """Where the predictions go: stdout, or a file that appears when it is whole."""
    if out is None:
        file = TextIOWrapper(sys.stdout.buffer, encoding="utf8", newline="", write_through=True)
        try:
            yield file
            file.flush()
        finally:
            file.detach()
        return
    path = Path(out)
    if path.exists():
        raise ArgumentError(f"--out {out} exists already; name another file, or remove it.")
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf8", newline="") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Answers:
    """The predictions of a table's rows, in pieces."""

    def __init__(self, predictor: Predictor, table: Table, kept: list[str]) -> None:
        self.predictor = predictor
        self.labels = predictor.labels
        self.table = table
        self.kept = kept
        self.outputs: list[npt.NDArray[Any]] = []

    def write(self, file: TextIO) -> None:
        """All of them as CSV."""
        writer = predictions.writer(file)
        writer.writerow(predictions.header(self.kept, self.labels.classes))
        for chunk in self.table.chunks():
            outputs = self.predictor.outputs(chunk)
            predicted = self.labels.decode(outputs).tolist()
            probabilities = None if self.labels.classes is None else self.labels.probabilities(outputs)
            columns = [chunk[name].native() for name in self.kept]
            writer.writerows(predictions.rows_of(columns, predicted, probabilities))
            if self.labels.name in self.table:
                self.outputs.append(outputs)

    def judge(self) -> None:
        """Says how good they are, where the table has the target."""
        if self.labels.name not in self.table:
            return
        outputs = np.concatenate(self.outputs)
        column = self.table[self.labels.name]
        try:
            encoded = self.labels.encode(column)
        except ArgumentError as error:
            say(f"note: {error.message}")
            return
        if self.labels.classes is None:
            kind, known = "regression", np.flatnonzero(~np.isnan(encoded))
            truth, predicted = column.data[known], self.labels.decode(outputs)[known]
        else:
            kind, known = "classification", np.flatnonzero(encoded >= 0)
            truth, predicted = encoded[known], self.labels.probabilities(outputs)[known]
        if len(known):
            say(measures_text(measures("regression" if kind == "regression" else "classification", truth, predicted)))
        if len(known) < self.table.rows:
            say(f"note: {self.table.rows - len(known):,} rows have no {self.labels.name} that the model knows")
