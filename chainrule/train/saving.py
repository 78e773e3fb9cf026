"""A trained classifier on disk: `model.safetensors` (PyTorch's names and shapes) and `model.json`; no code inside."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from chainrule import nn
from chainrule.ir.errors import ArgumentError
from chainrule.train.classifier import Settings, build_mlp

FORMAT = 1


def save_model(folder: Path, model: nn.Module, description: dict[str, Any]) -> None:
    """Writes the model into `folder`. Each file appears whole or not at all.

    description: what `load_model` needs to build it again (`inputs`, `classes`, `settings`, `input_scale`) and whatever
    else is worth keeping, as JSON values.
    """
    tensors = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    write_whole(folder / "model.safetensors", lambda path: save_file(tensors, path))
    text = json.dumps({"format": FORMAT, **description}, indent=2) + "\n"
    write_whole(folder / "model.json", lambda path: Path(path).write_text(text, encoding="utf8"))


def write_whole(path: Path, write: Callable[[str], object]) -> None:
    """Lets `write` fill a temporary file beside `path`, flushes it to the disk and gives it its name."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(temporary)
        with Path(temporary).open("rb") as file:
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_model(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a folder that `save_model` wrote, in evaluation mode, and its description.

    Raises ArgumentError if the folder holds no such model, or one of another format.
    """
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf8"))
        tensors = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise ArgumentError(f"{folder} holds no model: {error.filename} is missing.") from None
    except (ValueError, SafetensorError) as error:
        raise ArgumentError(f"the model in {folder} is damaged: {error}.") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else description
        raise ArgumentError(f"{folder}/model.json has format {found!r}; this version reads {FORMAT}.")
    try:
        asked = description["settings"]
        settings = Settings(**{**asked, "hidden": tuple(asked["hidden"])})
        model = build_mlp(int(description["inputs"]), int(description["classes"]), settings)
    except (KeyError, TypeError) as error:
        raise ArgumentError(f"{folder}/model.json lacks or misstates {error}.") from None
    model.load_state_dict(tensors)
    return model.eval(), description
