"""The figure that a run is judged by, the network's and each baseline's, and which of them is better for certain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chainrule.charts.numbers import count, figure, percent
from chainrule.report.record import Record

SHARES = {"accuracy", "balanced_accuracy", "top_k", "top5", "top_5"}  # read as percentages
RATIOS = {"f1", "auc", "r2", "precision", "recall", *SHARES}  # higher is better
UP_TO_ONE = {"accuracy", "balanced_accuracy", "f1", "auc", "r2", "precision", "recall"}
SHOWN = {
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "f1": "F1",
    "auc": "AUC",
    "log_loss": "log loss",
    "lr": "learning rate",
}
NAMES = {
    "majority": "the most frequent class",
    "mean": "the mean",
    "logistic": "logistic regression",
    "linear": "linear regression",
    "ridge": "ridge regression",
    "trees": "gradient-boosted trees",
}
TRIVIAL = {"majority", "mean"}


@dataclass(frozen=True)
class Metric:
    """How a metric reads: its name, and whether higher is better."""

    key: str

    @property
    def name(self) -> str:
        return SHOWN.get(self.key, self.key.replace("_", " "))

    @property
    def higher_is_better(self) -> bool:
        return self.key in RATIOS

    def shown(self, value: float) -> str:
        return percent(value) if self.key in SHARES else figure(value)


@dataclass(frozen=True)
class Score:
    """What one model reached on the test rows."""

    key: str
    value: float
    installed: bool = True
    note: str = ""

    @property
    def name(self) -> str:
        return NAMES.get(self.key, self.key)


@dataclass(frozen=True)
class Scores:
    """All that is compared, by one metric, on so many test rows (NaN where nobody said)."""

    metric: Metric
    own: Score
    baselines: tuple[Score, ...]
    rows: float
    right: float
    part: str = "test"  # which rows: "validation" where there are no others

    def lead(self, other: Score) -> float:
        """How far the network is ahead: below 0 where the other is better."""
        gap = self.own.value - other.value
        return gap if self.metric.higher_is_better else -gap

    def certain(self, other: Score) -> bool:
        """Whether the gap is more than one standard error of the difference of two independent results."""
        if not math.isfinite(self.rows) or self.rows < 1:
            return abs(self.lead(other)) > 0.01 * abs(other.value)
        if self.metric.higher_is_better:
            p = min(max((self.own.value + other.value) / 2, 0.0), 1.0)
            p = (p * self.rows + 1) / (self.rows + 2)  # no mistake among few rows does not mean that there are none
            error = math.sqrt(2 * p * (1 - p) / self.rows)
        else:  # a root mean square of n normal errors is known to value / sqrt(2 n)
            error = (abs(self.own.value) + abs(other.value)) / 2 / math.sqrt(self.rows)
        return abs(self.lead(other)) > error

    def known(self) -> list[Score]:
        """The baselines that have a figure, the best first."""
        found = [score for score in self.baselines if math.isfinite(score.value)]
        return sorted(found, key=self.lead)

    def won_by(self) -> list[Score]:
        return [score for score in self.known() if self.lead(score) < 0 and self.certain(score)]

    def level_with(self) -> list[Score]:
        return [score for score in self.known() if not self.certain(score)]

    def lost_by(self) -> list[Score]:
        return [score for score in self.known() if self.lead(score) > 0 and self.certain(score)]


def scores_of(record: Record) -> Scores | None:
    """The scores of a run; None where it has no result on test rows."""
    result = record.run["result"]
    key = result["metric"].text() or record.evaluation["metric"].text()
    part = result["part"].text() or record.evaluation["part"].text("test")
    test = result[part] or record.evaluation["measures"]
    value = test[key].number()
    if not key or math.isnan(value):
        return None
    baselines = tuple(
        Score(
            one["name"].text("?"),
            one["value"].number(),
            one["installed"].value is not False,
            one["note"].text(),
        )
        for one in result["baselines"].items()
    )
    rows = test["rows"].number()
    if math.isnan(rows):
        rows = record.run["data"]["rows"][part].number()
    right = test["right"].number()
    if math.isnan(right) and key == "accuracy" and math.isfinite(rows):
        right = round(value * rows)
    return Scores(
        Metric(key), Score("network", value), baselines, rows, right, "validation" if part.startswith("valid") else part
    )


def right_of(scores: Scores) -> str:
    """ "67 of 69" where rows are counted right or wrong, else ""."""
    if scores.metric.key != "accuracy" or not math.isfinite(scores.right + scores.rows):
        return ""
    return f"{count(scores.right)} of {count(scores.rows)}"
