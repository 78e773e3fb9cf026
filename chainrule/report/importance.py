"""Which columns the network needs: how much worse it gets where one column's values are dealt out anew."""

from __future__ import annotations

import math

from chainrule.charts.bars import Bar, bar_chart
from chainrule.charts.numbers import MINUS, count, figure
from chainrule.report.page import Block, Figure, Figures, Prose, Section, missing
from chainrule.report.record import Record
from chainrule.report.scores import SHARES, SHOWN

MOST = 20
LARGEST = 1e150  # what is larger is no measurement


def importance(record: Record) -> Section:
    found = record.evaluation["importance"].items()
    heading = ("importance", "Importance of columns", "Importance")
    known = [(one["column"].text(), one["drop"].number(), one["spread"].number()) for one in found]
    known = sorted((one for one in known if abs(one[1]) < LARGEST), key=lambda one: -one[1])
    if not known:
        return Section(*heading, [missing("The importance of columns was not measured.")])
    metric = record.evaluation["metric"].text() or record.run["result"]["metric"].text("score")
    times = 100.0 if metric in SHARES else 1.0
    largest = times * max(abs(drop) for _, drop, _ in known)
    decimals = min(6, max(0, 2 - math.floor(math.log10(largest)))) if largest else 0
    bars = [
        Bar(
            name,
            drop * times,
            written(drop * times, spread * times, decimals),
            abs(spread) * times if math.isfinite(spread) else 0.0,
        )
        for name, drop, spread in known[:MOST]
    ]
    told = f"The column needed most is {known[0][0]}" if known[0][1] > 0 else "No column is needed"
    svg = bar_chart("importance-bars", "Permutation importance", told, bars)
    unit = (
        "percentage points"
        if metric in SHARES
        else "units of the target"
        if metric in ("rmse", "mae")
        else "its own units"
    )
    caption = (
        f"How much {SHOWN.get(metric, metric)} gets worse on test rows, in {unit}, when a column is shuffled "
        "(± one standard deviation of repeats)."
    )
    blocks: list[Block] = [Figures([Figure(svg, "What a column is worth", caption)])]
    if len(known) > MOST:
        rest = times * max(one[1] for one in known[MOST:])
        blocks.append(Prose((f"{count(len(known) - MOST)} more columns are worth at most {figure(rest, 2)}.",)))
    idle = sum(1 for one in known if one[1] <= 0)
    if idle:
        told = f"{count(idle)} of {count(len(known))} columns {'is' if idle == 1 else 'are'} not missed"
        blocks.append(Prose((f"{told}: shuffling costs nothing on these rows.",)))
    return Section(*heading, blocks)


def written(drop: float, spread: float, decimals: int) -> str:
    """Both to the same decimals as all others, so that points stand below one another."""
    about = f" ± {spread:.{decimals}f}" if math.isfinite(spread) else ""
    return f"{drop:.{decimals}f}".replace("-", MINUS) + about
