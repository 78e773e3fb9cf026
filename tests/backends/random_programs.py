"""Random programs of tensors, forward and backward, from a seed: what the backends are compared on.

Programs are continuous functions of their float inputs, but for kinks, so that rounding in one place does not decide a
branch in another; values are kept near 1, so that differences mean something. Integers and booleans never come from
floats, so that they must be the same in every element. The moves stand in `random_moves.py` and `random_choices.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.ir.types import Array
from tests.backends import random_choices, random_moves
from tests.backends.random_moves import SIZES, Held, Shape

LARGEST = 20_000  # elements of a tensor

Move = Callable[[Held], Any]
MOVES: dict[Callable[[Any], None], float] = {**random_moves.MOVES, **random_choices.MOVES}


class Kind(NamedTuple):
    """What a tensor of the program is: "f" floating, "i" integer, "b" boolean."""

    shape: Shape
    kind: str


class Author:
    """Writes one program: a list of moves, each of which makes a tensor out of earlier ones."""

    def __init__(self, seed: int, length: int, moves: Mapping[Callable[[Any], None], float] = MOVES) -> None:
        """`moves`: what may be written, and how often."""
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.moves: list[Move] = []
        self.names: list[str] = []
        self.inputs = [Kind(self.shape(), "f") for _ in range(int(self.rng.integers(1, 4)))]
        self.inputs.append(Kind(self.shape(), "i"))
        self.kinds = list(self.inputs)
        odds = np.array(list(moves.values())) / sum(moves.values())
        while len(self.moves) < length:
            list(moves)[int(self.rng.choice(len(moves), p=odds))](self)

    # For the moves

    def shape(self) -> Shape:
        """A shape for an input."""
        dims = int(self.rng.choice([1, 2, 2, 2, 3, 3, 4]))
        if self.rng.random() < 0.1:
            return (int(self.rng.choice([64, 130, 257])), *self.some(SIZES[:8], dims - 1))
        return self.some(SIZES[: 12 if dims < 3 else 6], dims)

    def some(self, among: tuple[int, ...], count: int) -> Shape:
        """So many of these lengths."""
        return tuple(int(n) for n in self.rng.choice(among, count))

    def below(self, stop: int) -> int:
        """A number from 0 up."""
        return int(self.rng.integers(stop))

    def one_of(self, *names: str) -> str:
        """One of these."""
        return str(self.rng.choice(names))

    def flip(self) -> bool:
        """True or false."""
        return bool(self.rng.integers(2))

    def pick(self, kind: str = "f", fits: Callable[[Shape], bool] = lambda shape: True) -> int | None:
        """A tensor of this kind whose shape fits, rather a late one; None if there is none."""
        fitting = [k for k, (shape, its) in enumerate(self.kinds) if its == kind and fits(shape)]
        if not fitting:
            return None
        return int(self.rng.choice(fitting[-5:] if self.rng.random() < 0.7 else fitting))

    def enter(self, name: str, move: Move, shape: Shape, kind: str = "f") -> None:
        """Adds a move, unless its result is too large."""
        if np.prod(shape) <= LARGEST:
            self.names.append(name)
            self.moves.append(move)
            self.kinds.append(Kind(tuple(map(int, shape)), kind))

    # The program

    def function(self) -> Callable[..., Any]:
        """The program: the last tensors' mean square, its gradients by the float inputs, and the last tensors."""

        def forward(*arguments: Any) -> Any:
            held = list(arguments)
            for move in self.moves:
                held.append(move(held))
            late = [k for k, kind in enumerate(self.kinds) if kind.kind == "f"][-3:]
            loss = sum((held[k].square().mean() for k in late), start=cr.tensor(0.0, dtype=held[0].dtype))
            return loss, held[-4:]

        floats = tuple(k for k, kind in enumerate(self.inputs) if kind.kind == "f")

        def program(*arguments: Any) -> Any:
            return cr.value_and_grad(forward, floats, has_aux=True)(*arguments)

        return program

    def arguments(self, dtype: Any = np.float32) -> list[Array]:
        """Values for the inputs; the same in either precision, but for rounding."""
        rng = np.random.default_rng(self.seed)
        return [
            rng.standard_normal(shape).astype(np.float32).astype(dtype) if kind == "f" else rng.integers(0, 100, shape)
            for shape, kind in self.inputs
        ]
