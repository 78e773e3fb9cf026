"""Models for tables, by name: what `--model`, `--hidden`, `--activation`, `--norm`, `--dropout` and `--init` mean."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule import nn
from chainrule.ir.errors import ArgumentError
from chainrule.tensor import Tensor

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
NORMS: dict[str, Callable[[int], nn.Module] | None] = {"none": None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
Fill = Callable[[Tensor], object]
INITS: dict[str, Fill | None] = {
    "default": None,  # as nn.Linear begins: uniform(-1/sqrt(inputs), 1/sqrt(inputs)), the bias too
    "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
    "normal": lambda weight: nn.init.normal_(weight, std=0.02),
}


class WideAndDeep(nn.Module):
    """y = W x + b + mlp(x): a linear model that a multilayer perceptron corrects.

    x (n, inputs) -> y (n, outputs). The last layer of `mlp` begins at zero, so training begins from a linear model and
    leaves it only where the data ask for more: on small tables little beats a linear model. (Cheng et al., 2016, whose
    linear part sees crossed columns; here both parts see the same.)
    """

    def __init__(self, mlp: nn.Sequential, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.mlp = mlp
        last = mlp[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide: Tensor = self.linear(x)
        total: Tensor = wide + self.mlp(x)
        return total


def build(
    preset: str,
    inputs: int,
    outputs: int,
    *,
    hidden: Sequence[int] = (128, 64),
    activation: str = "relu",
    norm: str = "none",
    dropout: float = 0.0,
    init: str = "default",
) -> nn.Module:
    """The model `preset` for rows of `inputs` numbers, float32 (n, inputs) -> (n, outputs): logits, or numbers.

    preset: one of PRESETS. hidden: the widths of the hidden layers; each is a linear layer, the norm, the activation
    and the dropout. init: how linear layers before an activation begin (their biases at zero, unless "default").
    ArgumentError names what is unknown, and the nearest that is known.

    >>> print(build("mlp", 4, 3, hidden=(8,), dropout=0.1))
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)  # 40 parameters
      (1): ReLU()
      (2): Dropout(p=0.1, inplace=False)
      (3): Linear(in_features=8, out_features=3, bias=True)  # 27 parameters
    )
    # 67 parameters
    """
    check_known("model", preset, PRESETS)
    if preset == "linear":
        return nn.Linear(inputs, outputs)
    mlp = perceptron(inputs, outputs, hidden, activation, norm, dropout, init)
    return WideAndDeep(mlp, inputs, outputs) if preset == "wide" else mlp


PRESETS = {
    "wide": "a linear layer beside a multilayer perceptron; their sum",
    "mlp": "a multilayer perceptron",
    "linear": "one linear layer: logistic or linear regression",
}


def perceptron(
    inputs: int, outputs: int, hidden: Sequence[int], activation: str, norm: str, dropout: float, init: str
) -> nn.Sequential:
    """Linear, norm, activation and dropout for each hidden width, then a linear layer to the outputs."""
    check_known("activation", activation, ACTIVATIONS)
    check_known("norm", norm, NORMS)
    check_known("init", init, INITS)
    if not hidden or min(hidden) < 1:
        raise ArgumentError(f"hidden must be at least one width of at least 1, not {tuple(hidden)}.")
    if not (0 <= dropout < 1 and math.isfinite(dropout)):
        raise ArgumentError(f"dropout must be in [0, 1), not {dropout!r}.")
    normalise = NORMS[norm]
    layers: list[nn.Module] = []
    for width, wider in zip([inputs, *hidden], hidden, strict=False):
        layers.append(started(nn.Linear(width, wider), INITS[init]))
        layers += [normalise(wider)] if normalise else []
        layers.append(ACTIVATIONS[activation]())
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


def started(layer: nn.Linear, fill: Fill | None) -> nn.Linear:
    """The layer with its weight drawn by `fill` and its bias at zero; as it is for None."""
    if fill is not None and layer.bias is not None:
        fill(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


def check_known(what: str, name: str, known: Iterable[str]) -> None:
    """ArgumentError for a name that is not known, with the nearest one."""
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ArgumentError(f"unknown {what} {name!r}: it must be one of {', '.join(names)}.{hint}")


def takes_sizes(make: Callable[..., Any]) -> bool:
    """Whether what makes a model of the user's own is to be called with (inputs, outputs).

    It is if it needs arguments, or names its first two so.
    """
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except ValueError:
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in places if p.default is p.empty]
    return bool(needed) or [p.name for p in places[:2]] == ["inputs", "outputs"]
