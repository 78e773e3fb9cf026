"""What the gradients did: norms of each layer's gradient and the size of its updates, over steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chainrule.charts.heatmap import Rows, heatmap, levels
from chainrule.charts.numbers import count, figure, power_of_ten
from chainrule.charts.thin import evenly
from chainrule.report.page import Block, Figure, Figures, Prose, Section, missing, user
from chainrule.report.record import Record
from chainrule.report.tree import Tree

MOST_STEPS = 120
MOST_LAYERS = 48
DECADES = 8.0  # of gradient norms that get shades of their own
LOW, HIGH = -6.0, 0.0  # of the update's share of the weight; 10^-3 in the middle is what usually trains well
SLOW, FAST = 1e-5, 1e-1
Matrix = npt.NDArray[np.float64]  # (layers, steps)


def layers(record: Record) -> Section:
    heading = ("layers", "Gradients, layer by layer", "Gradients")
    if not record.watched:
        return Section(*heading, [missing("No step of this run was watched.")])
    watched = [record.watched[k] for k in evenly(len(record.watched), MOST_STEPS)]
    names = list(dict.fromkeys(name for event in watched for name in names_in(event)))
    if not names:
        return Section(*heading, [missing("No layer was watched.")])
    norms, ratios = table_of(watched, names, "grad_norm"), table_of(watched, names, "update_ratio")
    steps = [event["step"].number() for event in watched]
    blocks: list[Block] = [*findings(names, ratios, norms)]
    shown = chosen(names)
    rows = [names[k] for k in shown]
    blocks.append(Figures([gradient_map(rows, norms[shown], steps), update_map(rows, ratios[shown], steps)]))
    if len(shown) < len(names):
        blocks.append(Prose((f"{len(shown)} of {count(len(names))} parameters are shown.",)))
    return Section(*heading, blocks)


def names_in(event: Tree) -> list[str]:
    return [one.text() for one in event["layers"].items()]


def table_of(watched: list[Tree], names: list[str], key: str) -> Matrix:
    """(layers, steps); NaN where it is not finite, or not there."""
    place = {name: k for k, name in enumerate(names)}
    found = np.full((len(names), len(watched)), np.nan)
    for column, event in enumerate(watched):
        for name, value in zip(names_in(event), event[key].numbers(), strict=False):
            found[place[name], column] = value
    return found


def chosen(names: list[str]) -> list[int]:
    """Which of many parameters to show: without biases, then evenly from the input to the output."""
    order = list(range(len(names)))
    if len(order) > MOST_LAYERS:
        order = [k for k in order if not names[k].endswith("bias")] or order
    return [order[k] for k in evenly(len(order), MOST_LAYERS)]


def findings(names: list[str], ratios: Matrix, norms: Matrix) -> list[Prose]:
    """One sentence of what is usual, and one for each thing that is not."""
    last = ratios[:, -max(1, ratios.shape[1] // 4) :]
    middle = np.array([median(row) for row in last])
    found = []
    if np.isfinite(middle).any():
        usual = figure(median(middle), 2)
        told = f"Towards the end, a step changed the weights of the median layer by {usual} of their size"
        found.append(Prose((f"{told}; around 0.001 is usual.",)))
    broken = np.logical_not(np.isfinite(norms).all(axis=1, keepdims=False))
    kinds: list[tuple[str, npt.NDArray[np.bool_]]] = [
        ("hardly moved: their updates were below 0.00001 of their size", np.less(middle, SLOW)),
        ("moved very fast: their updates were above a tenth of their size", np.greater(middle, FAST)),
        ("had gradients that were not finite", broken),
    ]
    for words, which in kinds:
        if which.any():
            some = [name for name, hit in zip(names, which.tolist(), strict=True) if hit]
            rest = f" and {count(len(some) - 4)} more" if len(some) > 4 else ""
            listed = [part for name in some[:4] for part in (user(name, 40), ", ")][:-1]
            found.append(
                Prose(
                    (f"{count(len(some))} of {count(len(names))} parameters ", f"{words}: ", *listed, f"{rest}."),
                    "finding",
                )
            )
    return found


def median(values: npt.NDArray[np.float64]) -> float:
    """Of the finite ones. (NumPy's own imports masked arrays first, which takes longer than a whole report.)"""
    finite = np.sort(values[np.isfinite(values)])
    return float(finite[len(finite) // 2]) if len(finite) else np.nan


def gradient_map(names: list[str], norms: Matrix, steps: list[float]) -> Figure:
    logs = logarithm(norms)
    seen = logs[np.isfinite(logs) & (norms > 0)]
    high = float(np.ceil(seen.max())) if len(seen) else 0.0
    low = max(float(np.floor(seen.min())), high - DECADES) if len(seen) else -1.0
    low = min(low, high - 1)
    svg = drawn("gradients", "Gradient norm by layer and step", names, norms, logs, low, high, steps, "h")
    return Figure(
        svg, "Norm of the gradient", "Logarithmic. A row that fades into the page is a layer whose gradient vanishes."
    )


def update_map(names: list[str], ratios: Matrix, steps: list[float]) -> Figure:
    title = "Update to weight ratio by layer and step"
    svg = drawn("updates", title, names, ratios, logarithm(ratios), LOW, HIGH, steps, "d")
    told = "Logarithmic: norm of a step's change over the norm of the weights. Blue moves little, orange much."
    if not np.isfinite(ratios).all():
        told += " There is no finite number where weights are still zero."
    return Figure(svg, "Update to weight ratio", told)


def logarithm(values: Matrix) -> Matrix:
    """log10; a zero counts as very small, what is negative or not finite as NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(np.where(values == 0, 1e-300, values))
    return np.where(np.isfinite(values), logs, np.nan)


def drawn(
    anchor: str,
    title: str,
    names: list[str],
    values: Matrix,
    logs: Matrix,
    low: float,
    high: float,
    steps: list[float],
    family: str,
) -> str:
    ends = [(0.0, low), (0.5, (low + high) / 2), (1.0, high)]
    key = [(share, power_of_ten(int(at))) for share, at in ends if at == int(at)]
    tips = [tip(row) for row in values]
    labelled = set(evenly(len(steps), 8).tolist())
    columns = [count(step) if k in labelled else "" for k, step in enumerate(steps)]
    ends_told = f"{power_of_ten(int(low))} to {power_of_ten(int(high))}"
    told = f"{count(len(names))} parameters at {count(len(steps))} steps, {ends_told}"
    return heatmap(
        anchor,
        title,
        told,
        levels(logs, low, high),
        Rows(names, tips),
        columns,
        key,
        family=family,
        x_name="step",
        width=1040,
    )


def tip(row: npt.NDArray[np.float64]) -> str:
    finite = row[np.isfinite(row)]
    if not len(finite):
        return "never finite"
    first, last, least, most = (
        figure(float(value), 2) for value in (finite[0], finite[-1], finite.min(), finite.max())
    )
    return f"{first} at first, {last} at last, {least} to {most}"
