"""run.json: what a run is and what came of it, written whole whenever it changes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.executor import get_executor, native
from chainrule.runs.config import RunConfig
from chainrule.runs.folder import FORMAT
from chainrule.runs.prepare import Prepared
from chainrule.runs.settings import Setting
from chainrule.threads import get_num_threads
from chainrule.train.files import write_whole
from chainrule.version import __version__


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON values into a file, whole or not at all; numbers that are not finite become null."""
    # A line for each entry: for people, and json's encoder in C makes no deeper indents.
    lines = [f"{json.dumps(name)}: {written(value)}" for name, value in content.items()]
    write_whole(path, [("{\n " + ",\n ".join(lines) + "\n}\n").encode()])


def written(value: Any) -> str:
    """A value as JSON, in one line."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """A value as JSON has it: NumPy's numbers as numbers, those that are not finite as None, dates as text."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def first_record(
    config: RunConfig, prepared: Prepared, settings: Mapping[str, Setting], model: Any, command: list[str]
) -> dict[str, Any]:
    """What stands in run.json when the first step begins."""
    return {
        "format": FORMAT,
        "chainrule": __version__,
        "status": "running",
        "source": config.source,
        "command": command,
        "options": config.as_dict(),
        "config": {name: {"value": one.value, "why": one.why} for name, one in settings.items()},
        "task": {"kind": prepared.task.kind, "reason": prepared.task.reason, "flag": prepared.task.flag},
        "target": prepared.target,
        "classes": prepared.classes,
        "data": data_record(prepared),
        "executor": get_executor(),
        "cpu_level": cpu_level(),
        "threads": get_num_threads(),
        "seed": config.seed,
        "model": {"parameters": sum(p.numel() for p in model.parameters()), "text": str(model)},
    }


def data_record(prepared: Prepared) -> dict[str, Any]:
    """The data as they were found."""
    return {
        "rows": {"train": len(prepared.train), "valid": len(prepared.valid), "test": len(prepared.test)},
        "total_rows": prepared.table.rows,
        "features": prepared.encoding.width,
        "columns": [one.as_dict() for one in prepared.profiles],
        "split": prepared.split.how,
        "files": prepared.files,
        "notes": list(prepared.notes),
    }


def cpu_level() -> str:
    """The processor's instructions that machine code was made for; results have the same bits on the same level."""
    backend = native()
    return "numpy" if backend is None else str(backend.jit.host_level().name)
