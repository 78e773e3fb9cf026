"""How the network answers on rows that it did not see: confusion or residuals, calibration, the worst examples."""

from __future__ import annotations

import math

import numpy as np

from chainrule.charts.bars import histogram
from chainrule.charts.heatmap import Rows, heatmap, levels
from chainrule.charts.numbers import MISSING, count, figure, percent
from chainrule.charts.points import Bin, calibration_chart, scatter
from chainrule.charts.svg import cut
from chainrule.charts.thin import evenly
from chainrule.report.page import (
    Block,
    Cell,
    Figure,
    Figures,
    Prose,
    Section,
    Table,
    Words,
    missing,
    number,
    plain,
    user,
)
from chainrule.report.record import Record
from chainrule.report.tree import Tree

MOST_IN_TABLE = 16  # classes whose counts can be read as numbers
MOST_IN_PICTURE = 200
MOST_ROWS = 20
MOST_COLUMNS = 6  # of a worst example
MOST_POINTS = 2_000


def answers(record: Record) -> Section:
    evaluation = record.evaluation
    if evaluation["residuals"]:
        return Section("answers", "Predictions and residuals", "Residuals", residuals(evaluation["residuals"]))
    if not evaluation["confusion"] and not evaluation["classes"]:
        return Section("answers", "Answers", "Answers", [missing("There is no evaluation on test rows.")])
    return Section("answers", "Right and wrong, class by class", "Confusion", confusion(evaluation))


def confusion(evaluation: Tree) -> list[Block]:
    rows = [row.numbers() for row in evaluation["confusion"].items()]
    names = [one.text(MISSING) for one in evaluation["classes"].items()]
    if not rows or any(len(row) != len(rows) for row in rows):
        return [missing(f"With {count(len(names))} classes no confusion matrix was kept.")]
    counts = np.nan_to_num(np.array(rows, np.float64), posinf=0.0, neginf=0.0)
    names += [str(k) for k in range(len(names), len(counts))]
    blocks: list[Block] = []
    if len(counts) <= MOST_IN_TABLE:
        blocks.append(matrix(counts, names))
    elif len(counts) <= MOST_IN_PICTURE:
        blocks.append(picture(counts, names))
    else:
        blocks.append(missing(f"{count(len(counts))} classes are too many for a matrix."))
    blocks.append(by_class(counts, names))
    pairs = confused(counts, names)
    return [*blocks, pairs] if pairs is not None and len(counts) > 2 else blocks


def matrix(counts: np.ndarray, names: list[str]) -> Table:
    """Counts as a table, shaded by their share of the row."""
    totals = np.maximum(counts.sum(1, keepdims=True), 1)
    rows = []
    for k, row in enumerate(counts.tolist()):
        cells = [
            Cell(Words(count(value)), "number", value / totals[k, 0] if value else None, "right" if k == j else "wrong")
            for j, value in enumerate(row)
        ]
        rows.append((plain(names[k], most=24), *cells))
    heads = (Words("truth ↓  predicted →"), *(user(name, 12) for name in names[: len(counts)]))
    note = "Each row holds the test rows of one true class; the diagonal is right. Shades are shares of the row."
    return Table("Confusion matrix", heads, rows, ("", *["number"] * len(counts)), note, "matrix")


def picture(counts: np.ndarray, names: list[str]) -> Figures:
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    shades = np.where(counts > 0, levels(shares, 0.0, 1.0), -2)
    shades[(counts > 0) & (shades < 1)] = 1  # one mistake of a thousand is to be seen
    tips = [f"{percent(shares[k, k])} of {count(counts[k].sum())} right" for k in range(len(counts))]
    labelled = set(evenly(len(counts), 12).tolist())
    columns = [cut(names[k], 8) if k in labelled else "" for k in range(len(counts))]
    told = f"{percent(float(np.trace(counts) / max(counts.sum(), 1)))} of all rows lie on the diagonal"
    svg = heatmap(
        "confusion", "Confusion matrix", told, shades, Rows(names[: len(counts)], tips), columns,
        [(0.0, "0"), (0.5, "50%"), (1.0, "100% of the row")], family="h", x_name="predicted", width=640, square=True,
    )  # fmt: skip
    return Figures([Figure(svg, "Confusion matrix", "A row is a true class, a column what was predicted.")])


def confused(counts: np.ndarray, names: list[str]) -> Table | None:
    """The pairs of classes that are taken for one another most."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = [(*divmod(int(at), len(counts)), float(wrong.flat[at])) for at in order.tolist() if wrong.flat[at] > 0]
    if not pairs:
        return None
    rows = [
        (plain(names[true]), plain(names[taken]), number(count(times)), number(percent(times / counts[true].sum())))
        for true, taken, times in pairs
    ]
    heads = (Words("truth"), Words("predicted"), Words("rows"), Words("of that class"))
    return Table("Most frequent mistakes", heads, rows, ("", "", "number", "number"))


def by_class(counts: np.ndarray, names: list[str]) -> Table:
    """Precision, recall and F1 of each class; of many the ones with the lowest F1."""
    right, truth, taken = counts.diagonal(), counts.sum(1), counts.sum(0)
    f1 = np.divide(2 * right, truth + taken, out=np.full(len(right), np.nan), where=truth + taken > 0)
    order = np.arange(len(counts))
    note = ""
    if len(counts) > MOST_ROWS:
        order = np.argsort(np.nan_to_num(f1, nan=2.0), kind="stable")[:MOST_ROWS]
        note = f"The {MOST_ROWS} classes of {count(len(counts))} with the lowest F1."
    rows = [
        (
            plain(names[k]),
            number(count(truth[k])),
            number(percent(right[k] / taken[k]) if taken[k] else MISSING),
            number(percent(right[k] / truth[k]) if truth[k] else MISSING),
            number(figure(float(f1[k])) if math.isfinite(f1[k]) else MISSING),
        )
        for k in order.tolist()
    ]
    heads = (Words("class"), Words("test rows"), Words("precision"), Words("recall"), Words("F1"))
    return Table("By class", heads, rows, ("", *["number"] * 4), note)


def residuals(given: Tree) -> list[Block]:
    predicted, truth = given["predicted"].numbers(), given["truth"].numbers()
    size = min(len(predicted), len(truth))
    kept = evenly(size, MOST_POINTS)
    if not size:
        return [missing("There are no predictions to look at.")]
    said, true = np.array(predicted[:size])[kept], np.array(truth[:size])[kept]
    finite = np.isfinite(said) & np.isfinite(true)
    said, true = said[finite], true[finite]
    error = said - true
    told = f"{count(len(said))} rows" + (f"; mean error {figure(float(error.mean()))}" if len(error) else "")
    across = scatter("predictions", "Prediction over truth", told, true, said, x_name="truth", y_name="prediction")
    spread = histogram(
        "residuals", "Residuals: prediction minus truth", told, error, x_name="prediction minus truth", size=(400, 340)
    )
    charts = [
        Figure(across, "Prediction over truth", "On the line, both are equal."),
        Figure(spread, "Residuals", "Right of the mark, predictions are too high."),
    ]
    blocks: list[Block] = [Figures(charts, 2)]
    if size > len(kept):
        blocks.append(Prose((f"{count(len(kept))} of {count(size)} rows are drawn.",)))
    return blocks


def calibration(record: Record) -> Section | None:
    """Whether it is right as often as it is sure. None for regression, which has no such thing."""
    if record.evaluation["residuals"] or not record.evaluation:
        return None
    bins = [
        Bin(low, high, mean, right, int(rows))
        for one in record.evaluation["calibration"].items()
        for low, high, mean, right, rows in [[one[key].number() for key in ("low", "high", "mean", "right", "count")]]
        if math.isfinite(low + high + mean + right + rows)
    ]
    blocks: list[Block] = [missing("There are no confidences to compare with.")]
    if bins:
        total = max(sum(one.count for one in bins), 1)
        gap = sum(one.count * abs(one.right - one.mean) for one in bins) / total
        sure = sum(one.count * one.mean for one in bins) / total
        right = sum(one.count * one.right for one in bins) / total
        told = (
            f"On average {percent(sure)} sure and {percent(right)} right; expected calibration error {figure(gap, 2)}."
        )
        svg = calibration_chart("calibration", "Calibration", told, bins, x_name="confidence", y_name="right")
        chart = Figure(svg, "Right as often as sure?", "On the line, confidence is honest. Bars: how many rows.")
        blocks = [Prose((told, " ", verdict_on(sure, right))), Figures([chart]), table_of(bins)]
    return Section("calibration", "Calibration", "Calibration", blocks)


def table_of(bins: list[Bin]) -> Table:
    rows = [
        (
            Cell(Words(f"{one.low:.0%} to {one.high:.0%}"), "number"),
            number(count(one.count)),
            number(percent(one.mean)),
            number(percent(one.right)),
        )
        for one in reversed(bins)
    ]
    heads = (Words("confidence"), Words("test rows"), Words("sure on average"), Words("right"))
    return Table("The same in figures", heads, rows, ("number",) * 4)


def verdict_on(sure: float, right: float) -> str:
    if abs(sure - right) < 0.02:
        return "Its confidence can be taken as it stands."
    return "It is too sure of itself." if sure > right else "It is better than it believes."


def worst(record: Record) -> Section:
    """The rows that it got most wrong, with the columns that matter most."""
    found = record.evaluation["worst"].items()[:MOST_ROWS]
    heading = ("worst", "Worst examples", "Worst")
    if not found:
        none = "Not one test row was wrong." if record.evaluation["confusion"] else "No examples were kept."
        return Section(*heading, [missing(none)])
    shown = columns_shown(record, found)
    regression = bool(found[0]["error"]) and not found[0]["probability"]
    rows = []
    for one in found:
        last = figure(one["error"].number()) if regression else percent(one["probability"].number())
        said = [figure_or_text(one["truth"], regression), figure_or_text(one["predicted"], regression)]
        cells = [figure_or_text(one["columns"][name], False) for name in shown]
        rows.append((number(count(one["row"].number())), *said, number(last), *cells))
    measure = "error" if regression else "probability of truth"
    heads = (Words("row"), Words("truth"), Words("predicted"), Words(measure), *(user(name, 20) for name in shown))
    kinds = [one.kind for one in rows[0]]
    widest = max(len(dict(one["columns"].entries())) for one in found)
    note = f"{len(shown)} of {count(widest)} columns, the most important first." if widest > len(shown) else ""
    return Section(*heading, [Table("The test rows that it got most wrong", heads, rows, kinds, note)])


def figure_or_text(value: Tree, as_figure: bool) -> Cell:
    if as_figure:
        return number(figure(value.number(), 4))
    if isinstance(value.value, int | float) and not isinstance(value.value, bool):
        return number(cell_text(value))
    return plain(value.text("missing"), "" if value.value is not None else "quiet", 40)


def cell_text(value: Tree) -> str:
    """A number of the user's, short enough for a table; the row's number tells where it stands in full."""
    if isinstance(value.value, float) and math.isfinite(value.value):
        return f"{value.value:.{4 if abs(value.value) < 1e4 else 7}g}"
    return cut(value.text(), 24)


def columns_shown(record: Record, found: list[Tree]) -> list[str]:
    """Names of columns to show: by importance, then as they come."""
    there: dict[str, None] = {}
    for one in found:
        there |= dict.fromkeys(name for name, _ in one["columns"].entries())
    ranked = [one["column"].text() for one in record.evaluation["importance"].items()]
    order = dict.fromkeys([name for name in ranked if name in there] + list(there))
    return list(order)[:MOST_COLUMNS]
