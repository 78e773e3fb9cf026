"""Moves of random programs on floating tensors: elementwise, movement, reductions, products, layers' functions.

A move is written into an `Author`'s program: `author.enter(name, move, shape)`, where `move(held)` makes a tensor of
that shape out of those made before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F

if TYPE_CHECKING:
    from tests.backends.random_programs import Author

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 24, 33)

Shape = tuple[int, ...]
Held = list[Any]

UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "exp": lambda x: (-x.square()).exp(),
    "log": lambda x: (x.square() + 0.5).log(),
    "sqrt": lambda x: (x.square() + 0.5).sqrt(),
    "rsqrt": lambda x: (x.square() + 0.5).rsqrt(),
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "softplus": F.softplus,
    "abs": lambda x: x.abs(),
    "neg": lambda x: -x,
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "atan": lambda x: x.atan(),
    "erf": lambda x: x.erf(),
    "clamp": lambda x: x.clamp(-0.7, 0.8),
    "scale": lambda x: x * 0.7 + 0.1,
    "over": lambda x: 1 / (1 + x.square()),
    "power": lambda x: (x.square() + 0.5) ** 0.3,
    "cube": lambda x: x.tanh() ** 3,
    "expm1": lambda x: (-x.abs()).expm1(),
    "log1p": lambda x: x.abs().log1p(),
    "lgamma": lambda x: (x.square() + 0.5).lgamma() * 0.3,
    "detach": lambda x: x * x.detach().cos(),
}

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (1 + b.square()),
    "maximum": cr.maximum,
    "minimum": cr.minimum,
    "where": lambda a, b: cr.where(a > b, a, b),
    "atan2": lambda a, b: cr.atan2(a, b.square() + 0.5),
    "lerp": lambda a, b: a * 0.9 + b * 0.1,
}


def broadcast(a: Shape, b: Shape) -> Shape | None:
    """The shape of both together, or None."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def without(shape: Shape, axes: tuple[int, ...], *, keep: bool = False) -> Shape:
    """A shape after a reduction."""
    return tuple(1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes)


def unary(author: Author) -> None:
    k, name = author.pick(), author.one_of(*UNARY)
    assert k is not None
    author.enter(name, lambda t: UNARY[name](t[k]), author.kinds[k].shape)


def binary(author: Author) -> None:
    name, a = author.one_of(*BINARY), author.pick()
    assert a is not None
    shape = author.kinds[a].shape
    b = author.pick("f", lambda other: broadcast(shape, other) is not None)
    assert b is not None
    together = broadcast(shape, author.kinds[b].shape)
    assert together is not None
    author.enter(name, lambda t: BINARY[name](t[a], t[b]), together)


# Movement -------------------------------------------------------------------------------------------------------------


def movement(author: Author) -> None:
    kind = author.one_of("f", "f", "f", "f", "i")
    k = author.pick(kind)
    if k is None:
        return
    shape = author.kinds[k].shape
    how = author.one_of("permute", "reshape", "slice", "flip", "expand", "squares")
    if how == "permute":
        axes = tuple(int(a) for a in author.rng.permutation(len(shape)))
        author.enter(how, lambda t: t[k].permute(axes), tuple(shape[a] for a in axes), kind)
    elif how == "reshape":
        size = int(np.prod(shape))
        first = int(author.rng.choice([d for d in range(1, min(size, 64) + 1) if size % d == 0] or [0]))
        if first:
            author.enter(how, lambda t: t[k].reshape(first, size // first), (first, size // first), kind)
    elif how == "expand":
        n = int(author.rng.choice(SIZES[:6]))
        author.enter(how, lambda t: t[k].expand(n, *shape), (n, *shape), kind)
    elif how == "squares" and shape and shape[-1] > 1:  # every second column, in pairs
        half = shape[-1] // 2
        after = (*shape[:-1], half, 2)
        author.enter(how, lambda t: t[k][..., : 2 * half].reshape(after), after, kind)
    elif shape and how in ("slice", "flip"):
        axis = author.below(len(shape))
        if how == "flip":
            author.enter(how, lambda t: t[k].flip(axis), shape, kind)
            return
        start, step = author.below(shape[axis]), int(author.rng.choice([1, 1, 1, 2]))
        key = (slice(None),) * axis + (slice(start, None, step),)
        size = len(range(start, shape[axis], step))
        author.enter(how, lambda t: t[k][key], (*shape[:axis], size, *shape[axis + 1 :]), kind)


def joining(author: Author) -> None:
    k = author.pick("f", bool)
    if k is None:
        return
    shape = author.kinds[k].shape
    axis = author.below(len(shape))
    how = author.one_of("cat", "split", "pad", "roll", "stack", "put", "cat of nothing")
    longer = (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :])
    if how == "cat":
        author.enter(how, lambda t: cr.cat([t[k], t[k] * 0.5], axis), longer)
    elif how == "cat of nothing":
        author.enter(how, lambda t: cr.cat([t[k].narrow(axis, 0, 0), t[k]], axis).tanh(), shape)
    elif how == "split" and shape[axis] > 1:
        at = 1 + author.below(shape[axis] - 1)

        def halves(t: Held) -> Any:
            a, b = t[k].split([at, shape[axis] - at], axis)
            return cr.cat([b.tanh(), a], axis)

        author.enter(how, halves, shape)
    elif how == "pad":
        author.enter(how, lambda t: F.pad(t[k], (1, 2)), (*shape[:-1], shape[-1] + 3))
    elif how == "roll":
        author.enter(how, lambda t: cr.roll(t[k], 1, axis), shape)
    elif how == "stack":
        author.enter(how, lambda t: cr.stack([t[k], t[k].cos()], axis), (*shape[:axis], 2, *shape[axis:]))
    elif how == "put":
        start = author.below(shape[axis])
        key = (slice(None),) * axis + (slice(start, None, 2),)

        def put(t: Held) -> Any:
            y = t[k].clone()
            y[key] = t[k][key].sin()
            return y

        author.enter(how, put, shape)


# Reductions and products ----------------------------------------------------------------------------------------------


def reduction(author: Author) -> None:
    k = author.pick("f", bool)
    if k is None:
        return
    shape = author.kinds[k].shape
    count = 1 + author.below(len(shape))
    axes = tuple(sorted(int(a) for a in author.rng.choice(len(shape), count, replace=False)))
    keep = author.flip()
    size = float(np.prod([shape[a] for a in axes]))
    how: dict[str, Callable[[Any], Any]] = {
        "sum": lambda x: x.sum(axes, keepdim=keep) / size,
        "mean": lambda x: x.mean(axes, keepdim=keep),
        "amax": lambda x: x.amax(axes, keepdim=keep),
        "amin": lambda x: x.amin(axes, keepdim=keep),
        "logsumexp": lambda x: x.logsumexp(axes, keepdim=keep),
        "var": lambda x: x.var(axes, correction=0, keepdim=keep),
        "norm": lambda x: (x.square().sum(axes, keepdim=keep) / size + 0.1).sqrt(),
        "prod": lambda x: x.tanh().prod(axes[0], keepdim=keep),
    }
    name = author.one_of(*how)
    after = without(shape, axes[:1] if name == "prod" else axes, keep=keep)
    author.enter(name, lambda t: how[name](t[k]), after)


def product(author: Author) -> None:
    k = author.pick("f", lambda shape: len(shape) >= 2)
    if k is None:
        return
    shape = author.kinds[k].shape
    width = max(shape[-1], 1) ** 0.5
    j = author.pick("f", lambda s: len(s) >= 2 and s[-2] == shape[-1] and broadcast(s[:-2], shape[:-2]) is not None)
    if j is not None and author.rng.random() < 0.6:
        other = author.kinds[j].shape
        batch = broadcast(shape[:-2], other[:-2])
        assert batch is not None
        author.enter("matmul", lambda t: t[k] @ t[j] / width, (*batch, shape[-2], other[-1]))
        return
    vector = author.pick("f", lambda s: len(s) == 1 and s[0] == shape[-1])
    if vector is not None and author.flip():
        author.enter("matrix by vector", lambda t: t[k] @ t[vector] / width, shape[:-1])
    else:
        author.enter("x xT", lambda t: t[k] @ t[k].mT / width, (*shape[:-1], shape[-2]))


# What layers compute --------------------------------------------------------------------------------------------------


def row(author: Author) -> None:
    k = author.pick("f", bool)
    if k is None:
        return
    shape = author.kinds[k].shape
    how: dict[str, Callable[[Any], Any]] = {
        "softmax": lambda x: F.softmax(x, -1) * 3,
        "softmax0": lambda x: F.softmax(x, 0) * 3,
        "log_softmax": lambda x: F.log_softmax(x, -1),
        "layer_norm": lambda x: F.layer_norm(x, (shape[-1],), eps=0.1),
        "layer_norm of all": lambda x: F.layer_norm(x, shape, eps=0.1),
        "cumsum": lambda x: x.cumsum(-1) / shape[-1],
        "cumsum0": lambda x: x.cumsum(0) / shape[0],
        "cumprod": lambda x: x.tanh().cumprod(-1),
        "normalize": lambda x: F.normalize(x, dim=-1, eps=0.1),
    }
    name = author.one_of(*how)
    author.enter(name, lambda t: how[name](t[k]), shape)


def layer(author: Author) -> None:
    """A layer of weights of its own, made of what the program has."""
    k = author.pick("f", lambda shape: len(shape) >= 2)
    if k is None:
        return
    shape = author.kinds[k].shape
    name = author.one_of("linear", "batch_norm", "attention", "causal attention", "mlp")
    if name == "linear" or name == "mlp":
        weight = author.pick("f", lambda s: len(s) == 2 and s[1] == shape[-1])
        if weight is None:
            return
        wide = author.kinds[weight].shape[0]
        if name == "mlp":
            author.enter(name, lambda t: F.gelu(F.linear(t[k], t[weight])) @ t[weight] / shape[-1] ** 0.5, shape)
            return
        bias = author.pick("f", lambda s: s == (wide,))
        author.enter(
            name,
            lambda t: F.relu(F.linear(t[k], t[weight] / shape[-1] ** 0.5, None if bias is None else t[bias])),
            (*shape[:-1], wide),
        )
    elif name == "batch_norm" and np.prod(shape) > shape[1]:
        author.enter(name, lambda t: F.batch_norm(t[k], None, None, training=True, eps=0.1), shape)
    elif "attention" in name:
        causal = name == "causal attention"
        author.enter(name, lambda t: F.scaled_dot_product_attention(t[k], t[k].sin(), t[k], is_causal=causal), shape)


MOVES: dict[Callable[[Any], None], float] = {
    unary: 0.22,
    binary: 0.2,
    movement: 0.12,
    joining: 0.06,
    reduction: 0.1,
    product: 0.08,
    row: 0.07,
    layer: 0.06,
}
