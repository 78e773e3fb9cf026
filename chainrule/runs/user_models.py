"""Models of the user's own: `file.py:Name`, a class or function called with (inputs, outputs) or with nothing."""

from __future__ import annotations

import difflib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.functions.factories import tensor
from chainrule.gradients import no_grad
from chainrule.ir.errors import ArgumentError, ChainruleError
from chainrule.nn.module import Module
from chainrule.train.presets import takes_sizes


def is_user_model(text: str) -> bool:
    """Whether `--model` names a file and no preset."""
    return ".py:" in text or text.endswith(".py")


def load_user_model(text: str) -> Callable[[int, int], Module]:
    """What builds the model that `file.py:Name` names, from the numbers of its inputs and outputs.

    The file is run once, as a module of its own. ArgumentError if it fails, or has no such name.
    """
    path, _, name = text.rpartition(":")
    if not path:
        raise ArgumentError(f"--model {text} lacks the name of a class or function: write {text}:Name.")
    file = Path(path)
    if not file.is_file():
        raise ArgumentError(f"--model {text}: there is no file {path}.")
    module = _run_file(file)
    found = getattr(module, name, None)
    if found is None:
        near = difflib.get_close_matches(name, [known for known in vars(module) if not known.startswith("_")], 3)
        hint = f"; did you mean {', '.join(near)}?" if near else "."
        raise ArgumentError(f"--model {text}: {path} has no {name!r}{hint}")
    if not callable(found) or isinstance(found, Module):
        raise ArgumentError(f"--model {text}: {name} is no class or function but a {type(found).__name__}.")
    return lambda inputs, outputs: _build(text, found, inputs, outputs)


def _run_file(file: Path) -> ModuleType:
    name = f"chainrule_model_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{file} is no Python file: its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up here
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)  # as if it were run: it may import its neighbours
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ArgumentError(f"{file} fails: {described(error, file)}") from error
    finally:
        sys.path.remove(folder)
    return module


def _build(text: str, make: Callable[..., Any], inputs: int, outputs: int) -> Module:
    """Calls what the user wrote, and tries the model on two rows of zeros."""
    arguments = (inputs, outputs) if takes_sizes(make) else ()
    path = Path(text.rpartition(":")[0])
    try:
        model = make(*arguments)
    except Exception as error:
        call = f"{text.rpartition(':')[2]}({', '.join(map(str, arguments))})"
        raise ArgumentError(f"--model {text}: {call} fails: {described(error, path)}") from error
    if not isinstance(model, Module):
        raise ArgumentError(f"--model {text} gives a {type(model).__name__}, and no chainrule.nn.Module.")
    try:
        with no_grad():
            model.eval()
            result = model(tensor(np.zeros((2, inputs), np.float32)))
            model.train()
    except ChainruleError:
        raise
    except Exception as error:
        raise ArgumentError(f"--model {text}: its forward fails on (2, {inputs}): {described(error, path)}") from error
    if tuple(getattr(result, "shape", ())) != (2, outputs):
        shape = tuple(getattr(result, "shape", ())) or type(result).__name__
        raise ArgumentError(
            f"--model {text}: for inputs of shape (2, {inputs}) it must give (2, {outputs}), and gives {shape}. "
            "Take the two sizes as arguments (inputs, outputs)."
        )
    return model


def described(error: Exception, file: Path) -> str:
    """An error of the user's code in one line, with the line of the file where it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    place = f" (line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        place = f" (line {error.lineno})"
    first = str(error.msg if isinstance(error, SyntaxError) else error).partition("\n")[0]
    return f"{type(error).__name__}: {first}{place}"
