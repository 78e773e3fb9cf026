"""With what the run was made: configuration with its reasons, model, data, and the command that repeats it."""

from __future__ import annotations

import math
import shlex
from collections import Counter

from chainrule.charts.numbers import MISSING, count, percent
from chainrule.charts.svg import clean, cut
from chainrule.report.page import (
    Block,
    Cell,
    Code,
    Prose,
    Section,
    Table,
    Words,
    missing,
    number,
    plain,
    says,
    strong,
    user,
)
from chainrule.report.record import Record
from chainrule.report.scores import Metric, Scores
from chainrule.report.tree import Tree

ASKED = "asked for"
MOST_COLUMNS = 100
MOST_OPTIONS = 100
MOST_NOTES = 20
MOST_FILES = 10
MOST_MODEL = 6_000  # letters
MOST_COMMAND = 100_000
PARTS = (("test", "test"), ("validation", "validation"), ("train", "train"))
COUNTS = {"rows", "right"}  # not figures of merit


def figures(record: Record, scores: Scores | None) -> Section:
    """All that was measured on each part of the data."""
    heading = ("figures", "All figures", "Figures")
    result = record.run["result"]
    parts = [(name, dict(result[key].entries())) for name, key in PARTS if result[key]]
    keys = list(dict.fromkeys(key for _, values in parts for key in values if key not in COUNTS))
    keys = [key for key in keys if any(math.isfinite(values.get(key, Tree()).number()) for _, values in parts)]
    if not keys:
        return Section(*heading, [missing("Nothing was measured: the run has no result.")])
    rows = []
    for key in keys[:MOST_OPTIONS]:
        metric = Metric(key)
        values = [part.get(key, Tree()).number() for _, part in parts]
        rows.append(
            (says(cut(metric.name, 40)), *(number(MISSING if math.isnan(v) else metric.shown(v)) for v in values))
        )
    heads = (Words("figure"), *(Words(name) for name, _ in parts))
    return Section(*heading, [Table("On each part of the data", heads, rows, ("", *["number"] * len(parts)))])


def configuration(record: Record) -> Section:
    options = list(record.run["config"].entries())
    blocks: list[Block] = []
    if options:
        rows = [
            (plain(name.replace("_", "-"), "code"), value_of(option), why_of(option))
            for name, option in options[:MOST_OPTIONS]
        ]
        note = f"{count(len(options) - MOST_OPTIONS)} more stand in run.json." if len(options) > MOST_OPTIONS else ""
        heads = (Words("option"), Words("value"), Words("why"))
        blocks.append(Table("What was used, and why", heads, rows, ("", "", ""), note))
    else:
        blocks.append(missing("run.json holds no configuration."))
    model = clean(record.run["model"]["text"].text())
    if model:
        shown = model if len(model) <= MOST_MODEL else model[:MOST_MODEL] + "\n… the rest stands in run.json"
        blocks.append(Code(shown, "The model"))
    return Section("configuration", "Configuration", "Configuration", blocks)


def why_of(option: Tree) -> Cell:
    """What was asked for stands out from what chainrule chose."""
    why = option["why"].text()
    return Cell(strong(why)) if why == ASKED else plain(why, "quiet", 300)


def value_of(option: Tree) -> Cell:
    value = option["value"] if isinstance(option.value, dict) else option
    return plain(value.text("not set"), "code" if value.value is not None else "quiet", 120)


def data(record: Record) -> Section:
    given = record.run["data"]
    columns = given["columns"].items()
    blocks: list[Block] = []
    task = record.run["task"]
    reason = task["reason"].text()
    if reason:
        blocks.append(Prose((strong(f"{cut(task['kind'].text('task'), 40).capitalize()}: "), user(reason, 300), ".")))
    blocks += [Prose((user(note.text(), 400),)) for note in given["notes"].items()[:MOST_NOTES]]
    if given["split"]:
        blocks.append(Prose((strong("Split: "), user(given["split"].text(), 300))))
    if not columns:
        blocks.append(missing("The data's columns were not recorded."))
        return Section("data", "Data", "Data", blocks)
    blocks.append(Prose((column_sums(columns),)))
    total = sum(value for part in ("train", "valid", "test") if math.isfinite(value := given["rows"][part].number()))
    if len(columns) > MOST_COLUMNS:  # those that were left out are looked for most
        columns = sorted(columns, key=lambda one: one["used"].value is not False)
    rows = [column_row(one, total) for one in columns[:MOST_COLUMNS]]
    hidden = len(columns) - len(rows)
    note = f"{count(hidden)} more columns stand in run.json." if hidden > 0 else ""
    heads = (
        Words("column"),
        Words("kind"),
        Words("distinct"),
        Words("missing"),
        Words("used"),
        Words("how, or why not"),
    )
    kinds = ("", "", "number", "number", "", "")
    blocks.append(Table("Columns", heads, rows, kinds, note))
    return Section("data", "Data", "Data", blocks)


def column_sums(columns: list[Tree]) -> str:
    used = sum(one["used"].value is not False for one in columns)
    kinds = Counter(one["kind"].text("unknown").lower() for one in columns)
    told = ", ".join(f"{count(times)} {cut(kind, 20)}" for kind, times in kinds.most_common(8))
    gaps = sum(one["missing"].number() > 0 for one in columns)
    left = f" and {count(len(columns) - used)} left out" if used < len(columns) else ""
    return f"{count(len(columns))} columns ({told}): {count(used)} used{left}; {count(gaps)} with missing values."


def column_row(one: Tree, total: float) -> tuple[Cell, ...]:
    gaps = one["missing"].number()
    share = f" ({percent(gaps / total)})" if gaps > 0 and total >= gaps else ""
    used = one["used"].value is not False
    return (
        plain(one["name"].text()),
        plain(one["kind"].text(MISSING).lower(), "quiet", 20),
        number(count(one["distinct"].number()) if math.isfinite(one["distinct"].number()) else MISSING),
        number((count(gaps) if math.isfinite(gaps) else MISSING) + share),
        says("yes" if used else "no", "" if used else "out"),
        plain(one["reason"].text() or MISSING, "quiet", 160),
    )


def repeat(record: Record) -> Section:
    """The command, and what must be the same for the same bits."""
    run = record.run
    words = [clean(word.text()) for word in run["command"].items()]
    command = shlex.join(words) if words else clean(run["command"].text())
    blocks: list[Block] = []
    if not command:
        blocks.append(missing("run.json holds no command."))
    elif len(command) > MOST_COMMAND:
        blocks.append(missing(f"The command has {count(len(command))} letters: it stands in run.json."))
    else:
        blocks.append(Code(command, "In the same folder as before"))
    facts = [(name, cut(run[key].text(), 60)) for name, key in SAME if run[key]]
    if facts:
        told = ", ".join(f"{name} {value}" for name, value in facts)
        same = (
            "The same seed gives the same bits where executor and CPU level are the same, with any number of threads."
        )
        blocks.append(Prose((f"It ran with {told}. {same}",)))
    for name, fingerprint in list(run["data"]["files"].entries())[:MOST_FILES]:
        blocks.append(Prose(("It read ", user(name, 80), ", fingerprint ", user(fingerprint.text(), 80), ".")))
    return Section("repeat", "Repeat it", "Repeat", blocks)


SAME = (
    ("chainrule", "chainrule"),
    ("seed", "seed"),
    ("executor", "executor"),
    ("CPU level", "cpu_level"),
    ("threads", "threads"),
)
