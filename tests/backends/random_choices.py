"""Moves of random programs that choose: integers, booleans, indices, losses of classes, and what is drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import chainrule as cr
from chainrule.nn import functional as F
from tests.backends.random_moves import SIZES, Held, broadcast, without

if TYPE_CHECKING:
    from tests.backends.random_programs import Author

# Results fit the narrow types, or wrap around as they do.
INTEGER: dict[str, Callable[[Any], Any]] = {
    "neg": lambda x: -x,
    "abs": lambda x: x.abs(),
    "times": lambda x: x * 3 + 1,
    "modulo": lambda x: x % 17,
    "floor_divide": lambda x: x // 3,
    "shifted modulo": lambda x: (x - 50) % 7,
    "sign": lambda x: x.sign(),
    "clamp": lambda x: x.clamp(2, 40),
    "square": lambda x: x.square() % 101,
    "bits": lambda x: (x & 12) | (x ^ 5),
    "int32": lambda x: x.to(cr.int32).long(),
    "uint8": lambda x: x.to(cr.uint8).long(),
    "int8": lambda x: (x * 2).to(cr.int8).long(),
    "int16": lambda x: (x.to(cr.int16) * 3).long(),
}
INTEGERS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b % 1009,
    "maximum": cr.maximum,
    "minimum": cr.minimum,
    "remainder": lambda a, b: a % (b.abs() + 1),
    "xor": lambda a, b: a ^ b,
    "where": lambda a, b: cr.where(a > b, a - b, b),
}
COMPARISON: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda a, b: a % 3 == b % 3,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
}
LOGICAL: dict[str, Callable[[Any, Any], Any]] = {
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "not": lambda a, b: cr.logical_not(a) & b,
}


def integer(author: Author) -> None:
    k = author.pick("i")
    if k is not None:
        name = author.one_of(*INTEGER)
        author.enter(name, lambda t: INTEGER[name](t[k]), author.kinds[k].shape, "i")


def together(author: Author) -> None:
    """Two integers or booleans: an integer, or a boolean."""
    kind = author.one_of("i", "i", "b")
    a = author.pick(kind)
    if a is None:
        return
    shape = author.kinds[a].shape
    b = author.pick(kind, lambda other: broadcast(shape, other) is not None)
    assert b is not None
    after = broadcast(shape, author.kinds[b].shape)
    assert after is not None
    table, its = (LOGICAL, "b") if kind == "b" else (INTEGERS, "i") if author.flip() else (COMPARISON, "b")
    name = author.one_of(*table)
    author.enter(name, lambda t: table[name](t[a], t[b]), after, its)


def fold(author: Author) -> None:
    """A reduction, order or place of integers or booleans."""
    kind = author.one_of("i", "i", "b")
    k = author.pick(kind, bool)
    if k is None:
        return
    shape = author.kinds[k].shape
    axis = author.below(len(shape))
    keep = author.flip()
    after = without(shape, (axis,), keep=keep)
    if kind == "b":
        name = author.one_of("any", "all", "count")
        how: dict[str, Callable[[Any], Any]] = {
            "any": lambda x: x.any(axis, keepdim=keep),
            "all": lambda x: x.all(axis, keepdim=keep),
            "count": lambda x: x.sum(axis, keepdim=keep),
        }
        author.enter(name, lambda t: how[name](t[k]), after, "i" if name == "count" else "b")
        return
    name = author.one_of("sum", "amax", "amin", "prod", "argmax", "argmin", "argsort", "sort", "cumsum")
    if name in ("argsort", "sort", "cumsum"):
        down = author.flip()
        whole: dict[str, Callable[[Any], Any]] = {
            "argsort": lambda x: x.argsort(axis, descending=down, stable=True),
            "sort": lambda x: cr.sort(x, axis, descending=down, stable=True)[0],
            "cumsum": lambda x: x.cumsum(axis),
        }
        author.enter(name, lambda t: whole[name](t[k]), shape, "i")
        return
    folds: dict[str, Callable[[Any], Any]] = {
        "sum": lambda x: x.sum(axis, keepdim=keep),
        "amax": lambda x: x.amax(axis, keepdim=keep),
        "amin": lambda x: x.amin(axis, keepdim=keep),
        "prod": lambda x: (x % 5).prod(axis, keepdim=keep),
        "argmax": lambda x: x.argmax(axis, keepdim=keep),
        "argmin": lambda x: x.argmin(axis, keepdim=keep),
    }
    author.enter(name, lambda t: folds[name](t[k]), after, "i")


def made(author: Author) -> None:
    """Integers and floats out of nothing, or at random."""
    name = author.one_of("arange", "randint", "rand", "randn", "bernoulli")
    n, shape = int(author.rng.choice(SIZES)), author.shape()
    if name == "arange":
        author.enter(name, lambda t: cr.arange(n), (n,), "i")
    elif name == "randint":
        author.enter(name, lambda t: cr.randint(0, 3 * n, shape), shape, "i")
    elif name == "bernoulli":
        k = author.pick()
        assert k is not None  # of a probability that no rounding decides on
        author.enter(name, lambda t: cr.bernoulli(t[k] * 0 + 0.3), author.kinds[k].shape)
    else:
        draw = cr.rand if name == "rand" else cr.randn
        author.enter(name, lambda t: draw(shape).to(t[0].dtype), shape)


def to_float(author: Author) -> None:
    """An integer or boolean meets a float."""
    kind = author.one_of("i", "b")
    k = author.pick(kind)
    if k is None:
        return
    shape = author.kinds[k].shape
    x = author.pick("f", lambda other: broadcast(shape, other) is not None)
    name = author.one_of("as float", "chosen", "filled", "one_hot", "masked")
    if name == "as float" or x is None:
        author.enter("as float", lambda t: (t[k] % 7).to(t[0].dtype) / 3 if kind == "i" else t[k].to(t[0].dtype), shape)
        return
    after = broadcast(shape, author.kinds[x].shape)
    assert after is not None

    def mask(t: Held) -> Any:
        return t[k] if kind == "b" else t[k] % 2 == 0

    if name == "chosen":
        author.enter(name, lambda t: cr.where(mask(t), t[x], t[x].sin()), after)
    elif name == "filled":
        author.enter(name, lambda t: t[x].expand(after).masked_fill(mask(t).expand(after), 0.25), after)
    elif name == "masked":
        author.enter(name, lambda t: t[x] * mask(t), after)
    elif kind == "i":
        author.enter(name, lambda t: cr.one_hot(t[k] % 5, 5).to(t[0].dtype), (*shape, 5))


def at_indices(author: Author) -> None:
    """Lookups, whose gradients are added up at the indices, and updates."""
    x = author.pick("f", bool)
    index = author.pick("i", bool)
    if x is None or index is None:
        return
    shape, places = author.kinds[x].shape, author.kinds[index].shape
    axis = author.below(len(shape))
    n = shape[axis]
    name = author.one_of("index_select", "embedding", "gather", "points", "index_add", "scatter_add", "take 2")
    if name == "index_select":
        line = author.pick("i", lambda s: len(s) == 1)
        if line is not None:
            after = (*shape[:axis], *author.kinds[line].shape, *shape[axis + 1 :])
            author.enter(name, lambda t: t[x].index_select(axis, t[line] % n), after)
    elif name == "embedding" and len(shape) == 2:
        author.enter(name, lambda t: F.embedding(t[index] % shape[0], t[x]), (*places, shape[1]))
    elif name == "points":
        author.enter(name, lambda t: t[x][t[index] % shape[0]], (*places, *shape[1:]))
    elif name == "take 2" and len(shape) >= 2:
        author.enter(name, lambda t: t[x][t[index] % shape[0], t[index] % shape[1] - 1], (*places, *shape[2:]))
    elif name in ("gather", "scatter_add"):
        i = author.pick("i", lambda s: len(s) == len(shape) and all(a <= b for a, b in zip(s, shape, strict=True)))
        if i is None:
            return
        whole: int = i
        if name == "gather":
            author.enter(name, lambda t: cr.gather(t[x], axis, t[whole] % n), author.kinds[i].shape)
        else:
            author.enter(name, lambda t: cr.scatter_add(t[x], axis, t[whole] % n, t[x].sin()), shape)
    elif name == "index_add":
        i = author.pick("i", lambda s: len(s) == 1 and s[0] <= n)
        if i is not None:
            count = author.kinds[i].shape[0]
            author.enter(name, lambda t: cr.index_add(t[x], axis, t[i] % n, t[x].narrow(axis, 0, count).cos()), shape)


def classes(author: Author) -> None:
    """A loss of classes or of numbers."""
    x = author.pick("f", lambda s: len(s) == 2 and s[1] > 1)
    if x is None:
        return
    rows, count = author.kinds[x].shape
    target = author.pick("i", lambda s: s == (rows,))
    name = author.one_of("cross_entropy", "each cross_entropy", "smooth", "binary", "mse", "huber")
    smoothing = 0.1 if name == "smooth" else 0.0
    if name == "binary":
        author.enter(name, lambda t: F.binary_cross_entropy_with_logits(t[x], t[x].detach().sigmoid()), ())
    elif name in ("mse", "huber"):
        loss = F.mse_loss if name == "mse" else F.huber_loss
        author.enter(name, lambda t: loss(t[x], t[x].detach().sin()), ())
    else:
        each = "none" if name == "each cross_entropy" else "mean"

        def of_classes(t: Held) -> Any:
            given = cr.arange(rows) if target is None else t[target]
            return F.cross_entropy(t[x] * 3 - 1, given % count, reduction=each, label_smoothing=smoothing)

        author.enter(name, of_classes, (rows,) if each == "none" else ())


def dropped(author: Author) -> None:
    x = author.pick()
    assert x is not None
    author.enter("dropout", lambda t: F.dropout(t[x], 0.3, training=True), author.kinds[x].shape)


MOVES: dict[Callable[[Any], None], float] = {
    integer: 0.04,
    together: 0.05,
    fold: 0.04,
    made: 0.04,
    to_float: 0.05,
    at_indices: 0.06,
    classes: 0.03,
    dropped: 0.03,
}
