"""Curves: loss and metrics of training and validation over epochs, and the learning rate."""

from __future__ import annotations

import math

import numpy as np

from chainrule.charts.lines import Line, Mark, line_chart
from chainrule.charts.numbers import count, figure
from chainrule.charts.svg import cut
from chainrule.charts.thin import Floats
from chainrule.report.page import Block, Figure, Figures, Prose, Section, missing
from chainrule.report.record import Record
from chainrule.report.scores import SHOWN, UP_TO_ONE
from chainrule.report.tree import Tree

MOST_CHARTS = 8
TRAIN, VALIDATION = 1, 0  # their colours: what counts is the first one
SIZES = {2: (510.0, 250.0), 3: (336.0, 230.0)}  # by how many stand side by side
RANGE_OF_LOG = 30.0  # a loss that falls this far is read better on a logarithmic axis


def curves(record: Record) -> Section:
    blocks: list[Block] = []
    if record.epochs:
        blocks.append(charts(record))
        blocks += [Prose((words,)) for words in remarks(record)]
    else:
        blocks.append(missing("No epoch ended, so there are no curves."))
    if record.damaged:
        blocks.append(missing(f"{count(record.damaged)} damaged lines of records.jsonl were left out."))
    return Section("curves", "Curves", "Curves", blocks)


def charts(record: Record) -> Figures:
    """A chart for each name that training or validation has, the loss first; then the learning rate."""
    epochs = np.array(list(record.epochs), np.float64)
    rows = list(record.epochs.values())
    names = names_of(rows)
    mark = best(record) if len(epochs) > 1 else None
    found: list[tuple[str, list[Line], Mark | None]] = []
    for name in names[: MOST_CHARTS - 1]:
        lines = [
            Line(part, epochs, y, series)
            for part, series in (("train", TRAIN), ("validation", VALIDATION))
            if np.isfinite(y := series_of(rows, part, name)).any()
        ]
        if lines:
            found.append((name, lines, mark))
    rates = series_of(rows, "lr")
    if np.isfinite(rates).any() and np.nanmax(rates) > np.nanmin(rates):
        found.append(("lr", [Line("learning rate", epochs, rates, 2)], None))
    across = 3 if len(found) == 3 or len(found) > 4 else 2
    size = SIZES[across]
    scaled = {"rmse", "mae"} if record.run["task"]["kind"].text() == "regression" else set()
    drawn = [chart(f"curve-{place}", *one, size, one[0] in scaled) for place, one in enumerate(found)]
    return Figures(drawn, across)


def names_of(rows: list[Tree]) -> list[str]:
    names: dict[str, None] = {"loss": None}
    for row in (rows[0], rows[-1]):
        for part in ("train", "validation"):
            names |= dict.fromkeys(name for name, _ in row[part].entries())
    return list(names)


def series_of(rows: list[Tree], part: str, name: str = "") -> Floats:
    return np.array([(row[part][name] if name else row[part]).number() for row in rows], np.float64)


def chart(
    anchor: str, name: str, lines: list[Line], mark: Mark | None, size: tuple[float, float], standardised: bool = False
) -> Figure:
    shown = cut(SHOWN.get(name, name.replace("_", " ")), 40)
    finite = np.concatenate([one.y[np.isfinite(one.y)] for one in lines])
    log = name != "lr" and bool(len(finite)) and finite.min() > 0 and finite.max() / finite.min() > RANGE_OF_LOG
    ceiling = 1.0 if name in UP_TO_ONE else None
    told = "; ".join(f"{one.name} from {figure(first(one.y))} to {figure(last(one.y))}" for one in lines)
    svg = line_chart(
        anchor, f"{shown} by epoch", told, lines, x_name="epoch", log=log, mark=mark, ceiling=ceiling, size=size
    )
    remarks = ["in standard deviations of the target"] if standardised else []
    return Figure(svg, shown[:1].upper() + shown[1:], ", ".join([*remarks, "logarithmic axis"] if log else remarks))


def first(y: Floats) -> float:
    return next((value for value in y.tolist() if math.isfinite(value)), math.nan)


def last(y: Floats) -> float:
    return first(y[::-1])


def best(record: Record) -> Mark | None:
    epoch = record.run["result"]["best_epoch"].number()
    if math.isnan(epoch):
        epoch = record.stopped["best_epoch"].number()
    return Mark(epoch, f"best: {count(epoch)}") if math.isfinite(epoch) and epoch in record.epochs else None


def remarks(record: Record) -> list[str]:
    """Why training ended, and what was noted on the way."""
    found = []
    reason = record.stopped["reason"].text() or record.run["result"]["stopped"].text()
    if reason:
        told = "it ran all its epochs" if reason == "all epochs" else cut(reason, 200).rstrip(".")
        found.append(f"Training ended: {told}.")
    if best(record) and len(record.epochs) > 1:
        found.append("The weights of the best epoch (by validation) are the ones that were kept and tested.")
    found += [cut(note, 400) for note in record.notes]
    return found
