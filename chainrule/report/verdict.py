"""The first screen: what was trained, how good it is, and whether something simpler is as good or better."""

from __future__ import annotations

import math

from chainrule.charts.numbers import MISSING, count, duration
from chainrule.charts.svg import cut
from chainrule.report.page import Cell, Head, Sentence, Table, Words, number, strong, user
from chainrule.report.record import Record
from chainrule.report.scores import TRIVIAL, UP_TO_ONE, Score, Scores, right_of

TREES = "trees"


def head(record: Record, scores: Scores | None) -> Head:
    status = record.run["status"].text("unknown")
    notes = figure_notes(record, scores) if scores else ()
    return Head(
        run=cut(record.name, 60),
        status=status,
        verdict=verdict(record, scores, status),
        advice=advice(scores) if scores else what_happened(record),
        figure_name=f"{scores.part} {scores.metric.name}" if scores else "",
        figure=scores.metric.shown(scores.own.value) if scores else "",
        figure_notes=notes,
        scores=score_table(scores) if scores else None,
        scores_note=not_compared(scores) if scores else "",
        facts=facts(record),
    )


def verdict(record: Record, scores: Scores | None, status: str) -> Sentence:
    """The one sentence that stands on top."""
    if status == "diverged" or record.diverged:
        return diverged(record)
    source = user(short_source(record), 40)
    if scores is None:
        return unfinished(record, status, source)
    rows = record.run["data"]["rows"]["train"].number()
    trained = f"Trained on {count(rows)} rows of " if math.isfinite(rows) else "Trained on "
    target = user(target_of(record), 40)
    shown = scores.metric.shown(scores.own.value)
    seen = f" on {count(scores.rows)} unseen rows" if math.isfinite(scores.rows) else " on unseen rows"
    compared = comparison(scores)
    if scores.metric.key == "accuracy":
        right = right_of(scores)
        told: Sentence = (" right for ", strong(shown), " of unseen rows")
        if right:
            told = (f" right for {right} unseen rows (", strong(shown), ")")
        return (trained, source, ", the network gets ", target, *told, *compared)
    name = scores.metric.name
    if scores.metric.key in ("rmse", "mae"):
        told = (" with a typical error of ", strong(shown), f" ({name}{seen})")
    else:
        told = (f" with {name} ", strong(shown), seen)
    return (trained, source, ", the network predicts ", target, *told, *compared)


def target_of(record: Record) -> str:
    return record.run["target"].text() or record.option("target").text("the target")


def short_source(record: Record) -> str:
    source = record.run["source"].text("the data")
    return source.replace("\\", "/").rstrip("/").rpartition("/")[2] or source


def comparison(scores: Scores) -> Sentence:
    """How it stands beside the baselines: those that win first."""
    groups = [("behind", scores.won_by()), ("level with", scores.level_with()), ("ahead of", scores.lost_by())]
    clauses = [f"{how} {joined([cut(one.name, 40) for one in found])}" for how, found in groups if found]
    if not clauses:
        return (".",)
    return (": " + ", ".join(clauses) + ".",)


def joined(parts: list[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def advice(scores: Scores) -> Sentence:
    """What to make of the comparison, in one more sentence."""
    winners, level = scores.won_by(), scores.level_with()
    if any(one.key in TRIVIAL for one in [*winners, *level]):
        return (
            strong("It has learned nothing yet"),
            " that an answer without looking at the row would not give as well.",
        )
    if winners:
        them = "them" if winners[0].key == TREES else "it"
        more = f" Prefer {them} to this network, or give the network more rows, better columns or longer training."
        return (strong(f"{capital(cut(winners[0].name, 60))} {verb(winners[0], 'win')} here."), more)
    better = [one for one in level if scores.lead(one) < 0]
    if better:
        scored = f"{capital(cut(better[0].name, 60))} {verb(better[0], 'score')} a little better"
        return (
            strong(scored),
            f" ({scores.metric.shown(better[0].value)}), a gap that {rows_of(scores)} cannot settle.",
        )
    if level:
        names = joined([cut(one.name, 60) for one in level])
        return (f"No baseline does better, but {rows_of(scores)} cannot tell the network from {names}.",)
    return ("No baseline comes close.",) if len(scores.known()) > 1 else ()


def verb(score: Score, words: str) -> str:
    return words if score.key == TREES else f"{words}s"


def rows_of(scores: Scores) -> str:
    return f"{count(scores.rows)} {scores.part} rows" if math.isfinite(scores.rows) else f"so few {scores.part} rows"


def capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def diverged(record: Record) -> Sentence:
    where = record.diverged
    step, layer = where["step"].number(), where["layer"].text()
    at = f" at step {count(step)}" if math.isfinite(step) else ""
    began: Sentence = (", beginning in ", user(layer)) if layer else ()
    return (strong("Training diverged"), at, *began, "; the last good weights were kept. There is no result to report.")


def what_happened(record: Record) -> Sentence:
    """Of a training that diverged: what was seen first, and what usually helps."""
    what = record.diverged["what"].text()
    if not what:
        return ()
    return ("First seen: ", user(what, 200), ". A lower learning rate, clipping or scaled inputs may help.")


def unfinished(record: Record, status: str, source: Words) -> Sentence:
    epochs = len(record.epochs)
    after = f"after {count(epochs)} epoch{'s' if epochs != 1 else ''}" if epochs else "before the first epoch ended"
    if status == "interrupted":
        return ("The training on ", source, f" was interrupted {after}; ", strong("there is no test result yet"), ".")
    if status == "running":
        return ("The training on ", source, " has not finished: this is how it stood ", after, ".")
    return ("The network was trained on ", source, "; ", strong("there is no result on test rows"), ".")


def figure_notes(record: Record, scores: Scores) -> tuple[str, ...]:
    notes = []
    if right_of(scores):
        notes.append(f"{right_of(scores)} rows right")
    elif math.isfinite(scores.rows):
        notes.append(f"on {count(scores.rows)} rows")
    if not scores.metric.higher_is_better:
        notes.append("lower is better")
    result = record.run["result"]
    parts = [
        (part, result[part][scores.metric.key].number()) for part in ("validation", "train") if part != scores.part
    ]
    told = [f"{part} {scores.metric.shown(value)}" for part, value in parts if math.isfinite(value)]
    if told:
        notes.append(" · ".join(told))
    return tuple(notes)


def score_table(scores: Scores) -> Table:
    """The network among its baselines, the best first, with bars from zero."""
    everyone = sorted([scores.own, *scores.known()], key=lambda one: (scores.lead(one), one is not scores.own))
    largest = max((abs(one.value) for one in everyone), default=1.0) or 1.0
    largest = 1.0 if scores.metric.key in UP_TO_ONE else largest
    rows = []
    for one in everyone:
        own = one is scores.own
        share = min(max(one.value / largest, 0.0), 1.0) if math.isfinite(one.value) else None
        name = strong("this network") if own else Words(cut(one.name, 40), "", one.note)
        bar = Cell(Words(""), "", share, "bar-self" if own else "bar")
        rows.append((Cell(name), bar, number(scores.metric.shown(one.value))))
    heads = (Words("model"), Words(""), Words(scores.metric.name))
    return Table(
        f"On the same {scores.part} rows", heads, rows, ("", "bar", "number"), marked=everyone.index(scores.own)
    )


def not_compared(scores: Scores) -> str:
    """Why there are no trees beside it, where there are none."""
    for one in scores.baselines:
        if not math.isfinite(one.value):
            why = one.note or ("they are not installed" if not one.installed else "they gave no figure")
            return f"{capital(cut(one.name, 60))} were not compared: {cut(why, 160)}."
    if TREES not in {one.key for one in scores.baselines} and scores.baselines:
        return "Gradient-boosted trees were not compared in this run."
    return ""


def facts(record: Record) -> list[tuple[str, str]]:
    """The run in a few figures: rows of each part, size, length, time."""
    run, result = record.run, record.run["result"]
    rows = [(part, run["data"]["rows"][part].number()) for part in ("train", "valid", "test")]
    found = []
    if any(math.isfinite(value) for _, value in rows):
        told = " · ".join(count(value) if math.isfinite(value) else MISSING for _, value in rows)
        found.append(("rows to train, validate, test", told))
    parameters = run["model"]["parameters"].number()
    if math.isfinite(parameters):
        found.append(("parameters", count(parameters)))
    epochs, best = result["epochs"].number(), result["best_epoch"].number()
    if math.isnan(epochs) and record.epochs:
        epochs = len(record.epochs)
    if math.isfinite(epochs):
        found.append(("epochs", count(epochs) + (f" (best: {count(best)})" if math.isfinite(best) else "")))
    seconds = result["seconds"].number()
    if math.isfinite(seconds):
        found.append(("time", duration(seconds)))
    if run["seed"]:
        found.append(("seed", cut(run["seed"].text(), 20)))
    return found


def title(record: Record, scores: Scores | None) -> str:
    name = cut(record.name, 60)
    return f"{name}: {scores.part} {scores.metric.name} {scores.metric.shown(scores.own.value)}" if scores else name
