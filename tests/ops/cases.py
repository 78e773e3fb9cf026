"""The primitives on their samples, and what is known of them: which have no derivative, which are exceptions."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

import chainrule.ops
from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.quiet import quietly
from chainrule.ir.types import Array, Type
from chainrule.ir.value import Carrier
from chainrule.ops.control import ITEM
from tests.gradients import evaluate, is_float

for _module in pkgutil.iter_modules(chainrule.ops.__path__):
    importlib.import_module(f"{chainrule.ops.__name__}.{_module.name}")  # fills the registry

# Not differentiable, and why. Every other primitive must have a rule.
NOT_DIFFERENTIABLE = {
    **dict.fromkeys(("full", "iota", "one_hot"), "no floating operand"),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf"), "the result is bool"),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor", "logical_not", "any", "all"), "the result is bool"),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), "of integers"),
    **dict.fromkeys(("argmax", "argmin", "argsort"), "the result is a position"),
    **dict.fromkeys(("uniform", "normal", "randint", "permutation", "bernoulli"), "drawn at random"),
    "detach": "that is its purpose",
    **dict.fromkeys(("blocked_attention", "blocked_attention_gradients"), "made after differentiation, by lowering"),
}
# Derivative zero, but differentiable: a step in a loss gives zeros and not "does not require grad".
FLAT = {"sign", "floor", "ceil", "trunc", "round", "floor_divide"}
# The rule is what the user says; it need not be the derivative of what is computed.
OWN_RULE = {"custom"}
# Without samples of their own, because a tuple is no array: checked through another primitive's.
THROUGH = {"item": "custom"}

# How far a rule may be from the differences, by the least precise float of the sample.
BOUNDS = {"float64": 1e-7, "float32": 1e-5}


@dataclass(frozen=True)
class Case:
    """A primitive on one of its samples."""

    primitive: Primitive
    index: int
    arrays: tuple[Array, ...]
    params: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.primitive.name}-{self.index}"

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(crc32(self.name.encode()))

    @property
    def bound(self) -> float:
        arrays = [*self.arrays, *evaluate(self.function, self.arrays)]
        return max((BOUNDS[array.dtype.name] for array in arrays if is_float(array)), default=0.0)

    def function(self, *carriers: Carrier) -> list[Carrier]:
        """The primitive as a function of its operands, its results in a list."""
        return parts_of(self.primitive(*carriers, **self.params))

    def expansion(self, *carriers: Carrier) -> list[Carrier]:
        """What it expands into."""
        assert self.primitive.expand is not None
        expanded = self.primitive.expand(*carriers, **self.params)
        return list(expanded) if isinstance(expanded, tuple | list) else parts_of(expanded)

    def reference(self, arrays: Sequence[Array]) -> list[Array]:
        """What the reference returns for other arrays."""
        result = quietly(self.primitive.reference, *arrays, **self.params)
        return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]

    def precisions(self) -> list[Case]:
        """The case itself and, if it has floating operands, the same in float32."""
        if not any(map(is_float, self.arrays)):
            return [self]
        arrays = tuple(array.astype(np.float32) if is_float(array) else array for array in self.arrays)
        return [self, replace(self, arrays=arrays)]


def types_of(carrier: Carrier) -> list[Type]:
    """The types of the results of a primitive that may have several."""
    return [carrier.type] if isinstance(carrier.type, Type) else list(carrier.type)


def parts_of(carrier: Carrier) -> list[Carrier]:
    """The results of a primitive that may have several."""
    if isinstance(carrier.type, Type):
        return [carrier]
    count = len(carrier.type)
    return [ITEM(carrier, index=index, count=count) for index in range(count)]


def cases_of(primitive: Primitive) -> list[Case]:
    """A case per sample; the same ones in every process."""
    if primitive.samples is None:
        return []
    samples = primitive.samples(np.random.default_rng(crc32(primitive.name.encode())))
    return [Case(primitive, k, tuple(arrays), params) for k, (arrays, params) in enumerate(samples)]


def all_cases() -> Iterator[Case]:
    """The cases of every primitive, by name."""
    for name in sorted(REGISTRY):
        yield from cases_of(REGISTRY[name])
