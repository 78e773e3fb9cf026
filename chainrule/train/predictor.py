"""Models that answer: from a run in memory or from a file, with the same bits.

`save` writes a model with its forward pass and its preprocessing into one file; `load` gives it back in any process,
without the Python that defined it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.data import Encoding, Labels, Table, as_table
from chainrule.ir.errors import (
    ArgumentError,
    ChainruleError,
    FileError,
    InPlaceError,
    LeakedTensorError,
    NotYetError,
    TracedValueError,
)
from chainrule.ir.origin import warn
from chainrule.train.evaluating import outputs_of
from chainrule.train.exporting import Exported, export, rows_of
from chainrule.train.feed import as_rows
from chainrule.train.files import make_folder
from chainrule.train.forward import Forward
from chainrule.train.saved import Saved, read_model, tensors_of, write_model

Array = npt.NDArray[Any]
FILE = "model.safetensors"
RUN_FORMAT = 1  # of run.json
_LARGEST_JSON = 64 << 20
_UNTRACEABLE = (TracedValueError, LeakedTensorError, InPlaceError, NotYetError, ArgumentError)


class Predictor:
    """A trained model with its preprocessing.

    task: "classification", "regression", or None if it is not known. classes: the labels, in their original type, or
    None. columns: those of a table that it reads, or None if it takes arrays. description: what was saved besides.
    untraced: why the forward could not be traced, "" if it was.
    """

    def __init__(
        self,
        forward: Callable[..., Array] | None,
        tensors: Mapping[str, Any],
        *,
        exported: Exported | None = None,
        encoding: Encoding | None = None,
        labels: Labels | None = None,
        task: str | None = None,
        description: Mapping[str, Any] | None = None,
        untraced: str = "",
    ) -> None:
        self._forward = forward
        self._exported = exported
        self._tensors = tensors
        self._encoding = encoding
        self._labels = labels
        self.untraced = untraced
        self.task = task
        self.description = dict(description or {})

    @classmethod
    def of_model(
        cls,
        model: nn.Module,
        example: Sequence[Any],
        *,
        encoding: Encoding | None = None,
        labels: Labels | None = None,
        task: str | None = None,
        description: Mapping[str, Any] | None = None,
    ) -> Predictor:
        """Of a model in memory, whose parameters are read anew at each call. example: its inputs, of a row or more.

        A forward that cannot be traced answers as long as the model is in memory; of it, only the tensors can be saved.
        """
        exported, untraced = None, ""
        tensors = model.state_dict(keep_vars=True)
        rows = rows_of(example)
        try:
            exported = export(model, rows)
        except _UNTRACEABLE as error:
            untraced = error.message

        def eagerly(x: Any) -> Array:
            return outputs_of(model, as_rows(x, "x"))

        return cls(
            eagerly if exported is None else Forward(exported, tensors), tensors, exported=exported, encoding=encoding,
            labels=labels, task=task, description=description, untraced=untraced,
        )  # fmt: skip

    def of_tables(
        self, encoding: Encoding, labels: Labels, *, task: str, description: Mapping[str, Any] | None = None
    ) -> Predictor:
        """The same model with the preprocessing that its inputs were made by: it takes tables."""
        return Predictor(
            self._forward, self._tensors, exported=self._exported, encoding=encoding, labels=labels, task=task,
            description=description, untraced=self.untraced,
        )  # fmt: skip

    # What it is

    @property
    def encoding(self) -> Encoding:
        """How a table becomes its inputs. ArgumentError if it was trained on arrays."""
        if self._encoding is None:
            raise ArgumentError("this model was trained on arrays, so it has no columns: give it arrays.")
        return self._encoding

    @property
    def labels(self) -> Labels:
        """How its outputs become answers. ArgumentError if it was trained on arrays."""
        if self._labels is None:
            raise ArgumentError("this model was trained on arrays, so its answers have no labels.")
        return self._labels

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns that it reads; None if it takes arrays."""
        return None if self._encoding is None else tuple(self._encoding.kinds)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The labels that it tells apart, in their original type; None if there are none, or they have no names."""
        return None if self._labels is None else self._labels.classes

    @property
    def traced(self) -> bool:
        """Whether it can be saved whole: its forward pass could be traced."""
        return self._exported is not None

    def state_dict(self) -> dict[str, Array]:
        """Its tensors under PyTorch's names, for `load_state_dict` of a module."""
        return {name: np.array(value) for name, value in tensors_or_arrays(self._tensors).items()}

    def __repr__(self) -> str:
        what = [self.task or "model"]
        if self.columns is not None:
            what.append(f"{len(self.columns)} columns")
        elif self._exported is not None:
            what.append("inputs " + ", ".join(map(str, self._exported.arguments)))
        if self.classes is not None:
            what.append(f"{len(self.classes)} classes")
        return f"Predictor({'; '.join(what)})"

    # What it answers

    def outputs(self, data: Any) -> Array:
        """What the model computes of each row, before it is turned into answers: (n, outputs).

        data: a table if it was trained on one - a DataFrame, a dict of columns, a path, an array of columns; else what
        the model takes, a tuple if it takes several inputs.
        """
        if self._forward is None:
            raise ArgumentError(
                "the forward of this model cannot be traced, so it cannot predict without its Python: "
                f"{self.untraced} Build the model and give it the weights: model.load_state_dict(loaded.state_dict())."
            )
        if self._encoding is not None:
            return self._forward(self._encoding.apply(self._table(data)))
        return self._forward(*(data if isinstance(data, tuple) else (data,)))

    def _table(self, data: Any) -> Table:
        assert self._encoding is not None
        if isinstance(data, np.ndarray):
            return as_table(dict(zip(self.columns or (), columns_of(data, self.columns or ()), strict=True)))
        return as_table(data, like=self._encoding.kinds)

    def predict(self, data: Any) -> Array:
        """The answer for each row: a label in its original type, a class number where labels have no names, or a number
        in the target's units. (n,), or the outputs as they are where there are several numbers."""
        outputs = self.outputs(data)
        if self._labels is not None:
            return self._labels.decode(outputs)
        if self.task == "classification":
            return class_numbers(outputs)
        return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs

    def predict_proba(self, data: Any) -> Array:
        """The probability of each class, (n, classes), in the order of `classes`. ArgumentError if there are none."""
        if self.task != "classification":
            raise ArgumentError("predict_proba: this model answers with numbers, not with classes; call predict.")
        outputs = self.outputs(data)
        return probabilities(outputs) if self._labels is None else self._labels.probabilities(outputs)

    def check(self, data: Any) -> tuple[str, ...]:
        """What is new to the model in a table, a line each: categories that it has not seen, cells that are missing."""
        return () if self._encoding is None else self._encoding.check(self._table(data))

    # What lasts

    def save(self, path: str | PathLike[str]) -> Path:
        """Writes it into a file, or into model.safetensors of a folder; returns the file's path."""
        file = file_of(Path(path))
        make_folder(file.parent)
        write_model(
            file,
            Saved(
                tensors=tensors_or_arrays(self._tensors),
                exported=self._exported,
                untraced=self.untraced,
                encoding=None if self._encoding is None else self._encoding.to_json(),
                labels=None if self._labels is None else self._labels.to_json(),
                task=self.task,
                description=self.description,
            ),
        )
        return file


def tensors_or_arrays(tensors: Mapping[str, Any]) -> dict[str, Array]:
    """Tensors, read now, and arrays, as arrays."""
    arrays = {name: value for name, value in tensors.items() if isinstance(value, np.ndarray)}
    return arrays | tensors_of(tensors)


def columns_of(array: Array, names: Sequence[str]) -> list[Array]:
    """The columns of an array that stands for a table."""
    if array.ndim != 2 or array.shape[1] != len(names):
        raise ArgumentError(
            f"the model reads {len(names)} columns ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''}), "
            f"not an array of shape {list(array.shape)}. Name the columns: a DataFrame or a dict."
        )
    return list(array.T)


def class_numbers(outputs: Array) -> Array:
    """The class of each row, int64 (n,): the largest output, or whether the only one is above 0."""
    if outputs.ndim == 1 or outputs.shape[1] == 1:
        return np.asarray(outputs.reshape(len(outputs)) > 0, np.int64)
    return np.asarray(outputs.argmax(1))


def probabilities(outputs: Array) -> Array:
    """Of each class, float64 (n, classes), from logits."""
    logits = np.asarray(outputs, np.float64)
    if logits.ndim == 1 or logits.shape[1] == 1:
        logits = np.stack([np.zeros(len(logits)), logits.reshape(len(logits))], 1)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


# Files ----------------------------------------------------------------------------------------------------------------


def save(model: Any, path: str | PathLike[str], example: Any = None) -> Path:
    """Writes a model with all that predicting needs into one file; returns its path.

    model: what `fit` returned, a Predictor, or a module. example: for a module, its input (a tuple if it takes
    several), one row at least. path: a file that ends in .safetensors, or a folder, in which it is
    model.safetensors. FileError if it cannot be written.

    >>> import chainrule as cr
    >>> file = cr.save(cr.nn.Linear(3, 1), "linear.safetensors", example=cr.zeros(1, 3))
    >>> cr.load(file).predict(cr.ones(2, 3)).shape
    (2,)
    """
    if isinstance(model, nn.Module):
        if example is None:
            raise ArgumentError("save: a module needs example=, an input as its forward takes it, of one row or more.")
        predictor: Any = Predictor.of_model(model, example if isinstance(example, tuple) else (example,))
    else:
        predictor = model if isinstance(model, Predictor) else getattr(model, "predictor", None)
    if not isinstance(predictor, Predictor):
        raise ArgumentError(f"save: a run, a Predictor or a module is needed, not {type(model).__name__}.")
    if not predictor.traced:
        warn(f"save: only the weights are saved, for the forward cannot be traced: {predictor.untraced}")
    return predictor.save(path)


def load(path: str | PathLike[str]) -> Predictor:
    """The model of a run's folder, or of a file that `save` wrote, with its preprocessing. Runs no code from the file.

    FileError, in a line, for whatever is not such a file or folder, is damaged, or of another format.
    """
    place = Path(path)
    if place.is_dir():
        status = status_of(place)
        if not (place / FILE).exists():
            unfinished = status in ("running", "interrupted")
            repair = f" The run was not finished: chainrule resume {place}." if unfinished else ""
            raise FileError(f"{place} holds no model: {FILE} is missing.{repair}")
    file = place / FILE if place.is_dir() else place
    saved = read_model(file)
    try:
        return predictor_of(saved)
    except ChainruleError as error:
        raise FileError(f"{file} cannot be used: {error.message}") from None


def predictor_of(saved: Saved) -> Predictor:
    """The predictor of what a file holds."""
    encoding = None if saved.encoding is None else Encoding.from_json(saved.encoding)
    labels = None if saved.labels is None else Labels.from_json(saved.labels)
    exported = saved.exported
    if exported is not None:
        fit_together(exported, encoding, labels)
    return Predictor(
        None if exported is None else Forward(exported, saved.tensors),
        saved.tensors,
        exported=exported,
        encoding=encoding,
        labels=labels,
        task=saved.task,
        description=saved.description,
        untraced=saved.untraced,
    )


def fit_together(exported: Exported, encoding: Encoding | None, labels: Labels | None) -> None:
    """Raises ArgumentError unless the preprocessing makes what the graph takes, and takes what it makes."""
    arguments, result = exported.arguments, exported.graph.outputs[0].type
    if encoding is not None and [type.shape[1:] for type in arguments] != [(encoding.width,)]:
        raise ArgumentError(f"its encoding makes {encoding.width} features, its model takes {arguments}.")
    if labels is not None and labels.classes is not None:
        try:
            labels.class_array()
        except (ValueError, TypeError, OverflowError) as error:
            raise ArgumentError(f"its labels are no {labels.original}: {error}.") from None
    if labels is not None and result.shape[1:] != (labels.width,):
        raise ArgumentError(f"its labels read {labels.width} outputs, its model makes {result}.")


def file_of(path: Path) -> Path:
    """The file that a model goes to."""
    return path if path.suffix == ".safetensors" else path / FILE


def status_of(folder: Path) -> str | None:
    """The status of a run's folder; None of another folder. FileError for a run of another format."""
    path = folder / "run.json"
    try:
        if not path.exists():
            return None
        if path.stat().st_size > _LARGEST_JSON:
            raise FileError(f"{path} is damaged: it has {path.stat().st_size:,} bytes, more than any run writes.")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(f"{path} cannot be read: {error}.") from None
    form = content.get("format") if isinstance(content, dict) else None
    if form != RUN_FORMAT:
        raise FileError(f"{path} has format {form!r}; this version reads {RUN_FORMAT}.")
    return str(content.get("status"))
