"""Descriptions of kernels as training has them: softmax, norms, losses, optimisers, sums with updates behind them."""

from __future__ import annotations

from typing import Any

from chainrule.ir.types import bool_, float32, float64, int64
from tests.backends.native.descriptions import ELEMENT, ROW, UNIFORM, Sketch


def softmax(rows: int, length: int, *, in_place: bool = False) -> Any:
    """exp(x - max) / sum."""
    k = Sketch((rows, length))
    x = k.operand()
    out = x if in_place else k.operand()
    a = k.load(x)
    e = k.apply("exp", k.apply("sub", a, k.reduce("max", a)))
    k.store(out, k.apply("div", e, k.reduce("sum", e)))
    return k.kernel()


def layer_norm(rows: int, length: int) -> Any:
    """(x - mean) r w + b, with mean and r = 1 / sqrt(var + eps) stored: operands x, w, b, y, m, r."""
    k = Sketch((rows, length))
    x, w, b, y, m, r = (k.operand() for _ in range(6))
    a = k.load(x)
    n = k.constant(float(length))
    mean = k.apply("div", k.reduce("sum", a), n)
    centred = k.apply("sub", a, mean)
    variance = k.apply("div", k.reduce("sum", k.apply("mul", centred, centred)), n)
    deviation = k.apply("sqrt", k.apply("add", variance, k.constant(1e-5)))
    reciprocal = k.apply("div", k.constant(1.0), deviation)
    scaled = k.apply("mul", k.apply("mul", centred, reciprocal), k.load(w, ELEMENT, (0, 1)))
    k.store(y, k.apply("add", scaled, k.load(b, ELEMENT, (0, 1))))
    k.store(m, mean)
    k.store(r, reciprocal)
    return k.kernel()


def layer_norm_backward(rows: int, length: int) -> Any:
    """The cotangent of x from g, x, w, m, r: r (h - mean(h) - n mean(h n)), h = g w, n = (x - m) r."""
    k = Sketch((rows, length))
    g, x, w, m, r, out = (k.operand() for _ in range(6))
    h = k.apply("mul", k.load(g), k.load(w, ELEMENT, (0, 1)))
    reciprocal = k.load(r, ROW)
    normal = k.apply("mul", k.apply("sub", k.load(x), k.load(m, ROW)), reciprocal)
    n = k.constant(float(length))
    mean = k.apply("div", k.reduce("sum", h), n)
    along = k.apply("div", k.reduce("sum", k.apply("mul", h, normal)), n)
    inside = k.apply("sub", k.apply("sub", h, mean), k.apply("mul", normal, along))
    k.store(out, k.apply("mul", reciprocal, inside))
    return k.kernel()


def cross_entropy(rows: int, classes: int, *, indexed: bool) -> Any:
    """log(sum(exp(x - max))) + max - x[label]; 0 where the label is -100. Operands x, labels, losses."""
    k = Sketch((rows, classes))
    x, labels, out = k.operand(), k.operand(int64), k.operand()
    a = k.load(x)
    top = k.reduce("max", a)
    total = k.apply("add", k.apply("log", k.reduce("sum", k.apply("exp", k.apply("sub", a, top)))), top)
    label = k.load(labels, ROW)
    ignored = k.apply("eq", label, k.constant(-100, int64), dtype=bool_)
    if indexed:
        place = k.apply("where", ignored, k.constant(0, int64), label)
        own = k.load(x, ROW, (classes, 0), index=place, index_stride=1, index_length=classes)
    else:
        mine = k.apply("eq", label, k.position((0, 1), int64), dtype=bool_)
        own = k.reduce("sum", k.apply("where", mine, a, k.constant(0.0)))
    k.store(out, k.apply("where", ignored, k.constant(0.0), k.apply("sub", total, own)))
    return k.kernel()


def adam(size: int) -> Any:
    """One step of Adam, in place; the bias corrections are float64 scalars. Operands p, g, m, v, b1^t, b2^t, lr."""
    k = Sketch((size,))
    p, g, m, v = (k.operand() for _ in range(4))
    t1, t2, lr = (k.operand(float64) for _ in range(3))
    one = k.constant(1.0, float64)
    first = k.apply("sub", one, k.load(t1, UNIFORM))
    second = k.apply("sub", one, k.load(t2, UNIFORM))
    step = k.cast(k.apply("div", k.load(lr, UNIFORM), first), float32)
    root = k.cast(k.apply("sqrt", second), float32)
    a = k.load(g)
    mean = k.apply("add", k.apply("mul", k.load(m), k.constant(0.9)), k.apply("mul", a, k.constant(0.1)))
    square = k.apply("mul", k.apply("mul", a, a), k.constant(0.001))
    spread = k.apply("add", k.apply("mul", k.load(v), k.constant(0.999)), square)
    below = k.apply("add", k.apply("div", k.apply("sqrt", spread), root), k.constant(1e-8))
    k.store(m, mean)
    k.store(v, spread)
    k.store(p, k.apply("sub", k.load(p), k.apply("div", k.apply("mul", step, mean), below)))
    return k.kernel()


def bias_update(batch: int, rows: int, columns: int) -> Any:
    """p -= lr * sum of g over the rows, in place: a bias's gradient and its step of SGD. Operands g, p, lr."""
    k = Sketch((batch, rows, columns), columns=True)
    g, p, lr = k.operand(), k.operand(), k.operand(float64)
    rate = k.cast(k.load(lr, UNIFORM), float32)
    total = k.reduce("sum", k.load(g))
    k.store(p, k.apply("sub", k.load(p, ROW), k.apply("mul", rate, total)))
    return k.kernel()
