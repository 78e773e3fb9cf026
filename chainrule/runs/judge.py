"""How good a trained model is, beside its baselines: what run.json and evaluation.json say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.runs.baselines import INSTALL, Baseline, baselines, trees, trees_installed
from chainrule.runs.evaluation import evaluation, importance_of_columns
from chainrule.runs.measures import METRIC, measures
from chainrule.runs.prepare import Features, Part, Prepared

MOST_TRAINING_ROWS = 50_000
MOST_CELLS = 40  # columns of a worst example that are kept
Outputs = Callable[[Features], npt.NDArray[Any]]  # (n, width) to what the network gives, (n, k)


@dataclass(frozen=True, eq=False)
class Judged:
    """Figures of the parts, the baselines', and the content of evaluation.json."""

    figures: dict[str, dict[str, float]]  # by part
    rivals: list[dict[str, Any]]
    evaluation: dict[str, Any]
    part: str  # that was judged: "test", or "validation" where there is no test part, else "train"
    rows: npt.NDArray[np.int64]  # of that part, in the table
    predicted: npt.NDArray[Any]  # probabilities (n, k), or numbers (n,)


class Judge:
    """Judges models, and baselines, on the rows of a prepared run."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.kind = prepared.task.kind
        parts = {"test": prepared.test, "validation": prepared.valid, "train": thinned(prepared.train)}
        self.parts = {name: part for name, part in parts.items() if len(part)}
        self.judged = next(iter(self.parts))

    def answers(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Probabilities (n, k), or numbers in the target's own units (n,)."""
        labels = self.prepared.labels
        return labels.probabilities(outputs) if labels.classes is not None else labels.decode(outputs)

    def truth(self, part: Part) -> npt.NDArray[Any]:
        """Class numbers, or the target's numbers as they stand in the file."""
        if self.prepared.classes is not None:
            return part.y
        return self.prepared.table[self.prepared.target].data[part.rows]

    def judge(self, outputs: Outputs, with_trees: bool, seed: int) -> Judged:
        """All of it. With trees, scikit-learn's are fitted too where they are installed."""

        def predict(x: Features) -> npt.NDArray[Any]:
            return self.answers(outputs(x))

        predicted = {name: predict(part.x) for name, part in self.parts.items()}
        figures = {name: measures(self.kind, self.truth(part), predicted[name]) for name, part in self.parts.items()}
        part, truth = self.parts[self.judged], self.truth(self.parts[self.judged])
        content = evaluation(
            self.kind,
            truth,
            predicted[self.judged],
            classes=self.prepared.classes,
            rows=part.rows,
            cells=lambda places: cells(self.prepared, part.rows[places]),
            importance=importance_of_columns(self.kind, part.x, truth, self.columns(), predict, seed),
            part=self.judged,
        )
        return Judged(figures, self.rivals(with_trees, seed), content, self.judged, part.rows, predicted[self.judged])

    def columns(self) -> dict[str, list[int]]:
        """The features of each column of the source."""
        found: dict[str, list[int]] = {}
        for place, name in enumerate(self.prepared.encoding.names):
            found.setdefault(self.prepared.encoding.column_of[name], []).append(place)
        return found

    def rivals(self, with_trees: bool, seed: int) -> list[dict[str, Any]]:
        """Each baseline and its figure on the part that is judged."""
        entries = [self.entry(one) for one in baselines(self.kind, self.seen(), self.prepared.labels.width, seed)]
        if not trees_installed():
            note = f"needs scikit-learn: {INSTALL}"
            return [*entries, {"name": "trees", "value": None, "installed": False, "note": note}]
        if not with_trees:
            note = "left out for the sake of time: `chainrule report` adds them"
            return [*entries, {"name": "trees", "value": None, "installed": True, "note": note}]
        return [*entries, self.entry(self.trees(seed))]

    def trees(self, seed: int) -> Baseline:
        """Gradient-boosted trees, which take a second or more."""
        return trees(self.kind, self.seen(), seed)

    def seen(self) -> list[tuple[Features, npt.NDArray[Any]]]:
        """The rows that baselines are fitted on: they need no validation."""
        parts = [self.prepared.train, *([self.prepared.valid] if self.judged == "test" else [])]
        return [(part.x, self.truth(part)) for part in parts if len(part)]

    def entry(self, baseline: Baseline) -> dict[str, Any]:
        """A baseline for run.json."""
        part = self.parts[self.judged]
        predicted = baseline.predict(part.x)
        if self.prepared.classes is not None:
            predicted = np.eye(len(self.prepared.classes))[predicted.astype(np.int64)]
        value = measures(self.kind, self.truth(part), predicted)[METRIC[self.kind]]
        return {"name": baseline.name, "value": value, "installed": True, "note": baseline.note}


def thinned(part: Part) -> Part:
    """A part, or rows spread over it where it has very many: for a figure that only tells how well it was learnt."""
    if len(part) <= MOST_TRAINING_ROWS:
        return part
    places = np.linspace(0, len(part) - 1, MOST_TRAINING_ROWS).astype(np.int64)
    return Part(part.x[places], part.y[places], part.rows[places])


def cells(prepared: Prepared, rows: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """What stands in some rows, in the columns that are used."""
    used = [one.name for one in prepared.profiles if one.used][:MOST_CELLS]
    part = prepared.table.select(used).take(rows)
    columns = {column.name: column.native() for column in part}
    return [{name: values[place] for name, values in columns.items()} for place in range(len(rows))]
