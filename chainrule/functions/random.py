"""What draws random numbers. Streams are those of ops/philox.py: the same on every executor, but not PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.functions.filled import chosen, finished
from chainrule.functions.generator import Generator, current
from chainrule.functions.sizes import integer, lengths
from chainrule.functions.table import FUNCTIONS, METHODS, as_handle, is_carrier, tensor_or_number
from chainrule.ir.errors import ArgumentError, DTypeError, ShapeError
from chainrule.ir.types import FLOATING, DType, Shape, float64, int64
from chainrule.ir.value import Carrier
from chainrule.ops import elementwise as ops
from chainrule.ops import ordering, promotion, random
from chainrule.ops.creation import default_dtype, full
from chainrule.ops.movement import broadcast_shapes, slice_axis
from chainrule.ops.promotion import cast
from chainrule.tensor import Tensor

# Distributions of fixed parameters ------------------------------------------------------------------------------------


def uniform_carrier(shape: Shape, dtype: DType, generator: Generator | None = None) -> Carrier:
    """Uniform numbers in [0, 1)."""
    return current(generator).draw(lambda state: random.uniform(state, shape, dtype))


def normal_carrier(shape: Shape, dtype: DType, generator: Generator | None = None) -> Carrier:
    """Standard normal numbers."""
    return current(generator).draw(lambda state: random.normal(state, shape, dtype))


def _drawn(name: str, draw: Callable[..., Carrier], text: str) -> None:
    """Enters rand or randn, and its _like."""

    def make(
        *size: Any,
        generator: Generator | None = None,
        out: Tensor | None = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        **named: Any,
    ) -> Tensor:
        given = (named.pop("size"),) if not size and "size" in named else size
        if named or not given:
            raise ArgumentError(
                f"{name}: a size is needed, e.g. `{name}(2, 3)`; arguments {sorted(named)} are unknown."
            )
        carrier = draw(lengths(name, given), chosen(dtype), generator)
        return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))

    def make_like(
        input: Tensor,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        generator: Generator | None = None,
        memory_format: Any = None,
    ) -> Tensor:
        x = as_handle(f"{name}_like", input).read()
        return finished(draw(x.shape, chosen(dtype, x.dtype), generator), requires_grad, device, layout)

    make.__name__ = make.__qualname__ = name
    make_like.__name__ = make_like.__qualname__ = f"{name}_like"
    make.__doc__, make_like.__doc__ = text, f"{text[:-1]}, of the input's shape and type."
    FUNCTIONS[name], FUNCTIONS[f"{name}_like"] = make, make_like


_drawn("rand", uniform_carrier, "Uniform numbers in [0, 1).")
_drawn("randn", normal_carrier, "Standard normal numbers.")


def randint_carrier(low: int, high: int, shape: Shape, dtype: DType, generator: Generator | None = None) -> Carrier:
    """Integers from low to high - 1."""
    return current(generator).draw(lambda state: random.randint(state, low, high, shape, dtype))


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from `low` to `high` - 1, all alike likely: randint(high, size) or randint(low, high, size). int64."""
    if size is None:
        low, high, size = 0, low, high
    first, last = integer("randint", low, "low"), integer("randint", high, "high")
    carrier = randint_carrier(first, last, lengths("randint", (size,)), chosen(dtype, int64), generator)
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, **rest: Any) -> Tensor:
    """Integers from `low` to `high` - 1, of the input's shape and type."""
    x = as_handle("randint_like", input).read()
    first, last = (0, low) if high is None else (low, high)
    return randint(first, last, x.shape, dtype=dtype or x.dtype, **rest)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """0, 1, ..., n - 1 in a random order. int64."""
    count = integer("randperm", n, "n")
    carrier = cast(current(generator).draw(lambda state: random.permutation(state, count)), chosen(dtype, int64))
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


# Distributions of given parameters ------------------------------------------------------------------------------------


def bernoulli_carrier(p: Carrier, dtype: DType, generator: Generator | None = None) -> Carrier:
    """1 with probability p, else 0."""
    return current(generator).draw(lambda state: random.bernoulli(state, p, dtype))


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Any = None) -> Tensor:
    """1 with the probability that each element names (or p), else 0; no gradient flows to the probabilities."""
    x = as_handle("bernoulli", input).read()
    if x.dtype.category != FLOATING:
        raise DTypeError(f"bernoulli: probabilities are of floating point, not {x.type}.")
    carrier = bernoulli_carrier(x if p is None else full(x.shape, p, x.dtype), x.dtype, generator)
    return Tensor(carrier) if out is None else out.copy_(Tensor(carrier))


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of the means and standard deviations given: tensors, or numbers together with a size."""
    centre, spread = tensor_or_number("normal", mean, "mean"), tensor_or_number("normal", std, "std")
    given = [x for x in (centre, spread) if is_carrier(x)]
    if not is_carrier(spread) and spread < 0:
        raise ArgumentError(f"normal: the standard deviation cannot be negative: {spread}.")
    if not given and size is None:
        raise ArgumentError("normal: means and standard deviations that are numbers need a size.")
    shape = (
        lengths("normal", (size,)) if size is not None else broadcast_shapes(*(x.shape for x in given), what="normal")
    )
    kind = chosen(dtype, promotion.result_dtype(*given) if given else default_dtype())
    carrier = ops.add(ops.mul(normal_carrier(shape, kind, generator), spread), centre)
    return finished(carrier, requires_grad, device, layout) if out is None else out.copy_(Tensor(carrier))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with the (unnormalised) probabilities in the last dimension; without replacement all differ."""
    weights = as_handle("multinomial", input).read()
    if weights.dtype.category != FLOATING or len(weights.shape) not in (1, 2):
        raise ShapeError(f"multinomial: a floating vector or matrix of weights is needed, not {weights.type}.")
    classes = weights.shape[-1]
    if not num_samples > 0 or (num_samples > classes and not replacement):
        raise ArgumentError(
            f"multinomial: {num_samples} samples of {classes} classes; more than that need replacement."
        )
    return Tensor(_picked(promotion.cast(weights, float64), num_samples, replacement, generator))


def _picked(weights: Carrier, count: int, replacement: bool, generator: Generator | None) -> Carrier:
    """With replacement: where uniform numbers fall in the running sums. Without: the first of exponential arrivals."""
    if replacement:
        running = ordering.cumsum(weights, -1)
        total = slice_axis(running, len(running.shape) - 1, weights.shape[-1] - 1, weights.shape[-1])
        point = uniform_carrier((*weights.shape[:-1], count), weights.dtype, generator) * total
        below = ops.le(running.reshape((*running.shape[:-1], 1, running.shape[-1])), point.reshape((*point.shape, 1)))
        return below.sum((len(below.shape) - 1,))
    arrival = -ops.log1p(-uniform_carrier(weights.shape, weights.dtype, generator))
    never = full(weights.shape, float("inf"), weights.dtype)
    waiting = ops.where(ops.gt(weights, 0), ops.div(arrival, weights), never)
    return ordering.topk(waiting, count, -1, largest=False)[1]


for make in (randint, randint_like, randperm, bernoulli, normal, multinomial):
    FUNCTIONS[make.__name__] = make
METHODS.update(bernoulli=bernoulli, multinomial=multinomial)
