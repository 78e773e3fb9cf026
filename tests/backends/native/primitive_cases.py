"""Random operands and parameters for every primitive: sizes 0 and 1, odd, large, batched; in an element type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.types import DTYPES, Array, DType, Shape, bool_, dtype_of, type_of
from chainrule.passes.families import is_elementwise
from tests.backends.native.whole_cases import CASES as WHOLE

Case = tuple[list[Array], dict[str, Any]]
Rng = np.random.Generator

LARGE = 20_003  # elements: threads share the work
SHAPES: tuple[Shape, ...] = ((), (1,), (0, 3), (7,), (3, 1, 17), (5, 33), (4, 0), (2, 3, 4, 5))
_ORDERING = """
    max min argmax argmin argsort maximum minimum relu clamp at_least at_most where isnan sign
"""
ORDERING = frozenset(_ORDERING.split())
# NumPy takes other types too, programs do not: constructors make them floating first.
_FLOATS_ONLY = """
    erf erfc erfinv lgamma digamma polygamma ndtr gelu reciprocal binary_cross_entropy softplus var logsumexp softmax
    log_softmax layer_norm scaled_dot_product_attention cross_entropy squared_error attention_gradients
    blocked_attention blocked_attention_gradients
"""
FLOATS_ONLY = frozenset(_FLOATS_ONLY.split())
RANDOM = frozenset({"uniform", "normal", "randint", "bernoulli", "permutation"})
_BIG: Shape = (LARGE,)


def values(rng: Rng, shape: Shape, dtype: DType, domain: tuple[float, float] = (-3, 3), *, nans: bool = False) -> Array:
    """Numbers of a domain; small ones of integer types."""
    kind = dtype.numpy
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind in "iu":
        return rng.integers(max(math.ceil(domain[0]), 0) if kind.kind == "u" else -9, 10, shape).astype(kind)
    found = rng.uniform(*domain, shape).astype(kind)
    if nans:
        strange = rng.random(shape) < 0.05
        found = np.where(strange, rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape), found).astype(kind)
    return found


def cases(primitive: Primitive, dtype: DType, rng: Rng) -> list[Case]:
    """Cases that the primitive takes; none if it does not take the type."""
    if primitive.name in FLOATS_ONLY and dtype.numpy.kind != "f":
        return []
    return [case for case in _proposed(primitive, dtype, rng) if _is_taken(primitive, *case)]


def _is_taken(primitive: Primitive, arrays: list[Array], params: dict[str, Any]) -> bool:
    """Whether a program can ask for it: the constructors would have cast other operands."""
    try:
        inferred = primitive.infer(*map(type_of, arrays), **params)
        with np.errstate(all="ignore"):
            return bool(type_of(np.asarray(primitive.reference(*arrays, **params))) == inferred)
    except Exception:  # whatever the type rule or NumPy says to a type that it does not take
        return False


def _proposed(primitive: Primitive, dtype: DType, rng: Rng) -> Iterator[Case]:
    name = primitive.name
    if name in WHOLE:
        if name != "permutation" or dtype is bool_:  # it has no element type
            yield from [WHOLE[name](rng, dtype.name) for _ in range(3)]
    elif name in MAKERS:
        yield from MAKERS[name](rng, dtype)
    elif is_elementwise(primitive) or name in ("alias", "detach", "binary_cross_entropy"):
        yield from _elementwise(primitive, rng, dtype)
    else:
        raise AssertionError(f"there are no random cases of {name}: give it some in MAKERS")


def _elementwise(primitive: Primitive, rng: Rng, dtype: DType) -> Iterator[Case]:
    assert primitive.samples is not None
    given = primitive.samples(np.random.default_rng(0))
    types = [dtype_of(np.asarray(array).dtype) for array in given[0][0]]
    variants = [params for k, (_, params) in enumerate(given) if params not in [p for _, p in given[:k]]]
    if primitive.name == "cast":
        variants = [{"dtype": to} for to in DTYPES]
    for params in variants:
        for shape in (*SHAPES, _BIG) if params is variants[0] else SHAPES[4:6]:
            operands = [
                values(
                    rng,
                    shape,
                    own if own is bool_ else dtype,
                    primitive.domain or (-3, 3),
                    nans=primitive.name in ORDERING,
                )
                for own in types
            ]
            if primitive.name == "pow" and dtype.numpy.kind in "iu":
                operands[1] = (np.abs(operands[1].astype(np.int64)) % 4).astype(dtype.numpy)
            yield operands, params


def _reductions(name: str) -> Callable[[Rng, DType], Iterator[Case]]:
    def made(rng: Rng, dtype: DType) -> Iterator[Case]:
        more = {"correction": 0} if name == "var" else {}
        for shape, axes in (
            ((), ()),
            ((1,), (0,)),
            ((0, 3), (0,)),
            ((3, 0), (0,)),
            ((7,), (0,)),
            ((5, 33), (1,)),
            ((33, 5), (0,)),
            ((3, 4, 5), (0, 2)),
            ((3, 4, 5), (1,)),
            ((2, 1, 3, 17), (1, 3)),
            ((3, 1001), (1,)),
            ((1001, 3), (0,)),
            ((130, 160), (0, 1)),
        ):
            low = (0.8, 1.2) if name == "prod" else (-3.0, 3.0)
            x = values(rng, shape, dtype, low, nans=name in ORDERING)
            for keepdims in (False, True):
                yield [x], {"axes": axes, "keepdims": keepdims, **more}

    return made


def _places(rng: Rng, dtype: DType) -> Iterator[Case]:
    for shape, axis in (((1,), 0), ((7,), 0), ((0, 3), 1), ((5, 33), 1), ((33, 5), 0), ((3, 40, 5), 1), ((2, 3001), 1)):
        yield [values(rng, shape, dtype, nans=bool(rng.integers(2)))], {"axis": axis}


MOVEMENT: dict[str, tuple[tuple[Shape, dict[str, Shape]], ...]] = {
    "broadcast_to": tuple(
        (shape, {"shape": after})
        for shape, after in (((), (3,)), ((1,), (0,)), ((1, 5), (33, 5)), ((5, 1), (2, 5, 7)), ((3,), (200, 3)))
    ),
    "reshape": tuple(
        (shape, {"shape": after})
        for shape, after in (((), (1,)), ((0, 3), (0,)), ((4, 6), (3, 8)), ((2, 3, 5), (30,)), ((130, 77), (77, 130)))
    ),
    "permute": tuple(
        (shape, {"axes": axes})
        for shape, axes in (
            ((), ()),
            ((0, 3), (1, 0)),
            ((33, 65), (1, 0)),
            ((3, 4, 5), (2, 0, 1)),
            ((130, 160), (1, 0)),
        )
    ),
    "flip": tuple(
        (shape, {"axes": axes})
        for shape, axes in (((), ()), ((7,), (0,)), ((5, 33), (1,)), ((3, 0), (0,)), ((3, 4, 50), (0, 2)))
    ),
    "slice": (
        ((7,), {"starts": (2,), "stops": (7,), "steps": (2,)}),
        ((5, 33), {"starts": (1, 0), "stops": (5, 33), "steps": (2, 3)}),
        ((4, 5), {"starts": (2, 5), "stops": (2, 5), "steps": (1, 1)}),
        ((130, 160), {"starts": (1, 3), "stops": (130, 160), "steps": (1, 1)}),
    ),
}


def _moving(name: str) -> Callable[[Rng, DType], Iterator[Case]]:
    return lambda rng, dtype: (([values(rng, shape, dtype)], dict(params)) for shape, params in MOVEMENT[name])


def _products(rng: Rng, dtype: DType) -> Iterator[Case]:
    for batch, m, k, n in (
        ((), 1, 1, 1),
        ((), 0, 3, 2),
        ((), 2, 0, 3),
        ((), 3, 2, 0),
        ((), 7, 33, 5),
        ((), 1, 65, 40),
        ((), 40, 65, 1),
        ((3,), 5, 17, 9),
        ((2, 3), 1, 4, 6),
        ((0,), 2, 3, 2),
        ((), 70, 130, 50),
    ):
        yield [values(rng, (*batch, m, k), dtype, (-1, 1)), values(rng, (*batch, k, n), dtype, (-1, 1))], {}


def _linear(rng: Rng, dtype: DType) -> Iterator[Case]:
    for m, k, n in ((1, 1, 1), (0, 3, 2), (2, 0, 3), (5, 33, 7), (1, 40, 65), (70, 64, 50)):
        operands = [values(rng, shape, dtype, (-1, 1)) for shape in ((m, k), (n, k), (n,))]
        yield operands, {}
        yield operands[:2], {}


def _normalised(name: str) -> Callable[[Rng, DType], Iterator[Case]]:
    def made(rng: Rng, dtype: DType) -> Iterator[Case]:
        for shape in ((1,), (7,), (5, 33), (0, 3), (2, 3, 40), (33, 1), (4, 1001), (300, 70)):
            x = [values(rng, shape, dtype)]
            if name == "layer_norm":
                yield x, {"trailing": 1, "eps": 0.1}
                yield x, {"trailing": len(shape), "eps": 1e-5}
            else:
                yield x, {"axis": len(shape) - 1}
                yield x, {"axis": 0}

    return made


def _affine(rng: Rng, dtype: DType) -> Iterator[Case]:
    for shape, trailing in (
        ((1,), 1),
        ((7,), 1),
        ((5, 33), 1),
        ((0, 3), 1),
        ((4, 0), 1),
        ((2, 3, 40), 2),
        ((300, 70), 1),
    ):
        yield [values(rng, each, dtype) for each in (shape, shape[-trailing:], shape[-trailing:])], {}


_ATTENTIONS = (
    ((), 1, 1, 1, 1),
    ((2,), 5, 7, 3, 4),
    ((2, 3), 17, 17, 8, 8),
    ((), 33, 20, 16, 5),
    ((0,), 2, 2, 2, 2),
    ((), 2, 3, 0, 2),
    ((1, 2), 64, 64, 32, 32),
)
# More of q and k than are in one.
_OF_BLOCKS = (((), 1, 300, 5, 3), ((2,), 131, 37, 17, 24), ((), 200, 290, 9, 40), ((3,), 70, 70, 9, 9))


def _queries(rng: Rng, dtype: DType, batch: Shape, *sizes: int) -> list[Array]:
    """q, k and v."""
    length, source, width, depth = sizes
    return [values(rng, (*batch, *own), dtype) for own in ((length, width), (source, width), (source, depth))]


def _attention(rng: Rng, dtype: DType) -> Iterator[Case]:
    for batch, *sizes in _ATTENTIONS:
        for causal in (False, True):
            yield _queries(rng, dtype, batch, *sizes), {"scale": 0.4, "is_causal": causal}


def _attention_gradients(rng: Rng, dtype: DType) -> Iterator[Case]:
    for batch, *sizes in _ATTENTIONS:
        rows = (*batch, sizes[0])
        for causal in (False, True):
            flows = [values(rng, (*rows, sizes[-1]), dtype), values(rng, (*rows, 1), dtype)]
            yield [*flows, *_queries(rng, dtype, batch, *sizes)], {"scale": 0.4, "is_causal": causal}


def _blocked_attention(rng: Rng, dtype: DType) -> Iterator[Case]:
    for batch, *sizes in (*_ATTENTIONS, *_OF_BLOCKS):
        for causal in (False, True):
            for merged in (False, True)[: len(batch) + 1]:
                yield _queries(rng, dtype, batch, *sizes), {"scale": 0.4, "is_causal": causal, "merged": merged}


def _blocked_gradients(rng: Rng, dtype: DType) -> Iterator[Case]:
    """Of any lse near those that can be: views make others of the one that belongs to q and k."""
    for batch, *sizes in (*_ATTENTIONS, *_OF_BLOCKS):
        length, source, width, depth = sizes
        for causal in (False, True):
            shapes = (length, depth), (length, 1), (length, width), (source, width), (source, depth)
            g, w, q, k, v = [values(rng, (*batch, *own), dtype, (-1, 1)) for own in shapes]
            lse = values(rng, (*batch, length), dtype, (0, 1)) + dtype.numpy.type(math.log(max(1, source)))
            params = {"scale": 0.4, "is_causal": causal}
            bounds = tuple(sorted({source * c // 3 for c in range(4)}))
            yield [g, w, lse, q, k, v], {**params, "bounds": bounds, "merged": False}
            if batch and q.shape == k.shape == v.shape:
                yield [g, w, lse, q, k, v], {**params, "bounds": (0, source), "merged": True}


def _cross_entropy(rng: Rng, dtype: DType) -> Iterator[Case]:
    for rows, classes in (((1,), 1), ((7,), 5), ((0,), 3), ((), 4), ((3, 5), 33), ((300,), 65)):
        target = rng.integers(0, classes, rows)
        for reduction in ("none", "sum", "mean") if rows != (0,) else ("none", "sum"):
            for ignored in (-100, 0 if classes > 1 else -1):
                yield [values(rng, (*rows, classes), dtype), target], {"ignore_index": ignored, "reduction": reduction}


def _squared_error(rng: Rng, dtype: DType) -> Iterator[Case]:
    for shape in ((), (1,), (7,), (5, 33), (0, 3), _BIG):
        operands = [values(rng, shape, dtype), values(rng, shape, dtype)]
        yield operands, {"reduction": "sum"}
        if 0 not in shape:
            yield operands, {"reduction": "mean"}


def _one_hot(rng: Rng, dtype: DType) -> Iterator[Case]:
    for shape, classes in (((), 3), ((7,), 1), ((0,), 3), ((3, 5), 17), ((100,), 33)):
        yield [rng.integers(0, classes, shape)], {"classes": classes, "dtype": dtype}


def _constants(name: str) -> Callable[[Rng, DType], Iterator[Case]]:
    def made(rng: Rng, dtype: DType) -> Iterator[Case]:
        if name == "full":
            for shape in (*SHAPES, _BIG):
                yield [], {"shape": shape, "value": 1, "dtype": dtype}
        elif dtype is not bool_:
            for length in (0, 1, 7, 100, *([LARGE] if dtype.itemsize > 1 else [])):
                yield [], {"length": length, "dtype": dtype}

    return made


def _draws(name: str) -> Callable[[Rng, DType], Iterator[Case]]:
    def made(rng: Rng, dtype: DType) -> Iterator[Case]:
        floating = dtype.numpy.kind == "f"
        for shape in (*SHAPES, (4099,)):
            state = rng.integers(0, 2**40, 2)
            if name == "bernoulli":
                for of in (np.float32, np.float64) if floating or dtype is bool_ else ():
                    yield [state, rng.uniform(size=shape).astype(of)], {"dtype": dtype}
            elif name == "randint":
                bounds = {"b": (0, 2), "u": (0, 200), "i": (-100, 101), "f": (-5, 17)}[dtype.numpy.kind]
                yield [state], {"shape": shape, "low": bounds[0], "high": bounds[1], "dtype": dtype}
            elif floating:
                yield [state], {"shape": shape, "dtype": dtype}

    return made


MAKERS: dict[str, Callable[[Rng, DType], Iterator[Case]]] = {
    **{name: _reductions(name) for name in ("sum", "prod", "max", "min", "any", "all", "var", "logsumexp")},
    **dict.fromkeys(("argmax", "argmin"), _places),
    **{name: _moving(name) for name in MOVEMENT},
    "matmul": _products,
    "linear": _linear,
    **{name: _normalised(name) for name in ("softmax", "log_softmax", "layer_norm")},
    "affine": _affine,
    "scaled_dot_product_attention": _attention,
    "attention_gradients": _attention_gradients,
    "blocked_attention": _blocked_attention,
    "blocked_attention_gradients": _blocked_gradients,
    "cross_entropy": _cross_entropy,
    "squared_error": _squared_error,
    "one_hot": _one_hot,
    **{name: _constants(name) for name in ("full", "iota")},
    **{name: _draws(name) for name in ("uniform", "normal", "randint", "bernoulli")},
}
PRIMITIVES = sorted(set(REGISTRY) - {"input", "custom", "item"})
