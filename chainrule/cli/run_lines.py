"""What `chainrule train` and `resume` say of a run besides its epochs, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from chainrule.cli.show import bold, dim, pasted, table
from chainrule.runs.config import RunConfig
from chainrule.runs.events import RunPlanned
from chainrule.runs.measures import SHOWN

OPTIONS = {field.name for field in fields(RunConfig)}
MOST_COLUMNS = 24  # that get a line each
MOST_SHOWN = 10  # of each kind, where there are more


def planned_lines(event: RunPlanned) -> list[str]:
    """The data as they were found, the settings and their reasons."""
    task, data = event.task, event.data
    head = [
        ("source", f"{event.source}: {data['total_rows']:,} rows"),
        ("target", f"{event.target}{classes_text(event.classes)}"),
        ("task", f"{task['kind']}: {task['reason']} ({task['flag']} changes this)"),
        ("split", data["split"]),
    ]
    lines = table(head, indent=0)
    lines += [f"note    {note}" for note in event.notes]
    features = dim(f"({data['features']:,} features)")
    lines += ["", f"columns {features}", *column_lines(data["columns"])]
    lines += ["", "settings", *setting_lines(event.settings)]
    return [*lines, "", f"{event.parameters:,} parameters, in {event.folder}", ""]


def classes_text(classes: Sequence[Any] | None) -> str:
    """The classes, of many the first."""
    if classes is None:
        return ""
    some = ", ".join(map(str, classes[:MOST_SHOWN]))
    more = "" if len(classes) <= MOST_SHOWN else ", ..."
    return f": {len(classes):,} classes ({some}{more})"


def column_lines(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each column; of very many the used ones together, and the first of those that are not."""
    if len(columns) <= MOST_COLUMNS:
        return table([(one["name"], column_text(one)) for one in columns])
    used = [one for one in columns if one["used"]]
    lines = []
    for kind in dict.fromkeys(one["kind"] for one in used):
        names = [one["name"] for one in used if one["kind"] == kind]
        lines.append((spread(names), f"{len(names):,} columns, {kind}"))
    for reason, names in by_reason([one for one in columns if not one["used"]]).items():
        lines.append((spread(names), f"not used: {reason}"))
    return table(lines)


def column_text(column: Mapping[str, Any]) -> str:
    """Why a column is used or not."""
    return column["reason"] if column["used"] else f"not used: {column['reason']}"


def by_reason(columns: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Names by the reason that they share; of many reasons the first."""
    found: dict[str, list[str]] = {}
    for one in columns:
        found.setdefault(one["reason"], []).append(one["name"])
    shown = dict(list(found.items())[:MOST_SHOWN])
    rest = [name for reason, names in found.items() if reason not in shown for name in names]
    return {**shown, "see run.json": rest} if rest else shown


def spread(names: Sequence[str]) -> str:
    """Names from the first to the last."""
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} ... {names[-1]}"


def setting_lines(settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each setting: what it is, and why."""
    return table(
        [(flag_of(name), value_text(one["value"]), dim(one["why"])) for name, one in settings.items() if shown(one)]
    )


def shown(setting: Mapping[str, Any]) -> bool:
    """Whether a setting is worth a line: it does something, or it was asked for."""
    return setting["value"] not in (None, 0.0, "none") or setting["why"] == "asked for"


def flag_of(name: str) -> str:
    """The option of a setting; one that has no option has its name alone."""
    return f"--{name.replace('_', '-')}" if name in OPTIONS and name != "compile" else name.replace("_", " ")


def value_text(value: Any) -> str:
    """A value as its option takes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ",".join(f"{name}={weight:g}" for name, weight in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)


def result_line(metric: str, result: Mapping[str, Any]) -> str:
    """`test accuracy 0.978 (352 of 360; majority 0.10; logistic 0.969)`."""
    part = result["part"]
    figures = result[part]
    if metric == "accuracy":
        inside = [f"{figures['right']} of {figures['rows']}"]
    else:
        inside = [f"R2 {figures['r2']:.3f}"] if "r2" in figures else []
    inside += [
        f"{rival['name']} {figure(metric, rival)}" for rival in result["baselines"] if rival["value"] is not None
    ]
    return f"{part} {SHOWN[metric]} {figure(metric, {'name': '', 'value': figures[metric]})} ({'; '.join(inside)})"


def figure(metric: str, rival: Mapping[str, Any]) -> str:
    """A figure in as many digits as tell something."""
    if metric == "accuracy":
        return f"{rival['value']:.2f}" if rival["name"] == "majority" else f"{rival['value']:.3f}"
    return f"{rival['value']:.4g}"


def finished_lines(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """The results: the test, the folder, two commands to go on with."""
    return [
        bold(result_line(record["result"]["metric"], record["result"])),
        f"saved in {folder}",
        "next:",
        *(f"  {command}" for command in next_commands(str(folder), record["source"])),
    ]


def next_commands(folder: str, source: str) -> list[str]:
    """Two commands that work as they stand here."""
    return [pasted("chainrule", "report", folder), pasted("chainrule", "predict", folder, source)]


def measures_text(figures: Mapping[str, float]) -> str:
    """All figures of a part in one line."""
    if "accuracy" in figures:
        begin = f"accuracy {figures['accuracy']:.3f} ({figures['right']} of {figures['rows']})"
        rest = {"log_loss": "log loss", "f1": "macro F1", "auc": "AUC"}
        return ", ".join([begin, *(f"{name} {figures[key]:.4g}" for key, name in rest.items() if key in figures)])
    named = {"rmse": "RMSE", "mae": "MAE", "r2": "R2"}
    return ", ".join(f"{name} {figures[key]:.4g}" for key, name in named.items() if key in figures)
