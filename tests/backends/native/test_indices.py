"""Indices out of range in a compiled step that trains: one clear error, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import OutOfRangeError
from chainrule.ir.types import Array
from chainrule.nn import functional as F
from tests.natively import natively

ROWS, WIDTH = 6, 4
GOOD = np.array([[0, 2, 1], [3, 5, 4]])


native = pytest.fixture(autouse=True)(natively)


def _replaced(t: Any, key: Any, value: Any) -> Any:
    y = t * 1
    y[key] = value
    return y.square().sum()


def _added(t: Any, key: Any) -> Any:
    y = t * 1
    y[key] += 2.0
    return y.square().sum()


def _labels(i: Any) -> Any:
    """One for each of the WIDTH rows of t.T, whose columns are the ROWS classes."""
    return i.flatten()[2:]


def _loss_of_some(loss: Callable[..., Any], ignored: int, t: Any, i: Any) -> Any:
    return loss(t.T, i, ignore_index=ignored)


# What is made of a table (ROWS, WIDTH) and indices like GOOD; i[1, 2] is among those that are used.
USES: dict[str, Callable[[Any, Any], Any]] = {
    "one_hot": lambda t, i: (F.one_hot(i.flatten(), ROWS).to(cr.float32) @ t).square().sum(),
    "one_hot as a mask": lambda t, i: cr.where(F.one_hot(i, ROWS) == 1, t.sum(1), 0.0).sum(),
    "one_hot, of which a part is read": lambda t, i: t.sum() * F.one_hot(i, ROWS)[:1, :, :2].sum(),
    "index_select": lambda t, i: cr.index_select(t, 0, i.flatten()).square().sum(),
    "index_select, of which a part is read": lambda t, i: cr.index_select(t, 0, i.flatten())[:2].square().sum(),
    "index_select of a constant": lambda t, i: t.sum() * cr.index_select(cr.arange(ROWS), 0, i.flatten()).sum(),
    "gather": lambda t, i: t.gather(0, i.long()).square().sum(),
    "scatter": lambda t, i: t.scatter(0, i.long(), cr.ones(2, 3)).square().sum(),
    "scatter_add": lambda t, i: t.scatter_add(0, i.long(), cr.ones(2, 3)).square().sum(),
    "index_add": lambda t, i: t.index_add(0, i[1], cr.ones(3, WIDTH)).square().sum(),
    "index": lambda t, i: t[i].square().sum(),
    "indices of two axes": lambda t, i: t[i, i % WIDTH].square().sum(),
    "index and slices": lambda t, i: t[:, :3][i, 1:2].square().sum(),
    "assignment": lambda t, i: _replaced(t, i, 2.0),
    "assignment of rows": lambda t, i: _replaced(t, i[1], t[:3]),
    "assignment in place": lambda t, i: _added(t, (i[1], 1)),
    "embedding": lambda t, i: F.embedding(i, t).square().sum(),
    "embedding with padding": lambda t, i: F.embedding(i, t, padding_idx=0).square().sum(),
    "cross_entropy": lambda t, i: F.cross_entropy(t.T, _labels(i)),
    "cross_entropy of some": lambda t, i: F.cross_entropy(t.T, _labels(i), ignore_index=1),
    "cross_entropy, weighted": lambda t, i: F.cross_entropy(
        t.T, _labels(i), weight=cr.ones(ROWS), label_smoothing=0.1, ignore_index=1
    ),
    "nll_loss": lambda t, i: F.nll_loss(t.T, _labels(i)),
    "nll_loss of some": lambda t, i: F.nll_loss(t.T, _labels(i), weight=cr.ones(ROWS), ignore_index=1),
}
# The first too large, the first too small whether or not negative ones count from the end, and far ones.
BAD = (ROWS, -ROWS - 1, 2**31 - 1, -(2**31))


class Training:
    """A table that is trained by what `use` makes of it, beside a count of the steps."""

    def __init__(self, use: Callable[[Any, Any], Any]) -> None:
        cr.manual_seed(0)
        self.table = nn.Parameter(cr.randn(ROWS, WIDTH))
        self.steps = cr.Buffer(cr.zeros(1))
        self.optimizer = optim.Adam([self.table], 0.1)
        self.use = use
        self.step = cr.compile(self._step)

    def _step(self, i: Any) -> Any:
        self.steps.add_(1)  # written first, in the order of the lines
        loss = self.use(self.table, i)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def cells(self) -> list[Array]:
        slots = self.optimizer.state_dict()["state"][0].values()
        return [np.array(cell.detach().numpy()) for cell in (self.table, self.steps, *slots)]


def bytes_of(cells: list[Array]) -> list[bytes]:
    return [cell.tobytes() for cell in cells]


NARROW = ("one_hot", "index_select", "gather", "index", "assignment", "embedding", "cross_entropy of some", "nll_loss")
CASES = [*((use, np.int64) for use in USES), *((use, np.int32) for use in NARROW)]


@pytest.mark.parametrize(("use", "dtype"), CASES)
def test_an_error_names_index_and_line_and_nothing_is_written(use: str, dtype: Any) -> None:
    trained, twin = Training(USES[use]), Training(USES[use])
    good = cr.tensor(GOOD.astype(dtype))
    for bad in BAD:
        for _ in range(2):  # the second one by the short way
            assert trained.step(good).item() == twin.step(good).item()
        wrong = GOOD.astype(dtype)
        wrong[1, 2] = bad
        index = cr.tensor(wrong)
        before = bytes_of(trained.cells())
        with pytest.raises(OutOfRangeError) as expected:
            trained.use(trained.table, index)
        with pytest.raises(OutOfRangeError) as found:
            trained.step(index)
        what, where = str(found.value).split("\n")
        assert what == str(expected.value).split("\n")[0]
        assert str(bad) in what
        assert __file__ in where
        assert bytes_of(trained.cells()) == before
    assert trained.step(good).item() == twin.step(good).item(), "and training goes on"
    assert bytes_of(trained.cells()) == bytes_of(twin.cells())
    assert trained.step.traces == 1
    assert trained.step._shorts, "the short way was not taken"


def test_what_is_left_out_may_have_any_number() -> None:
    for ignored in (-100, ROWS, 2**40):
        labels = cr.tensor(np.array([0, ignored, 2, ignored]))
        for loss in (F.cross_entropy, F.nll_loss):
            trained = Training(partial(_loss_of_some, loss, ignored))
            expected = trained.use(trained.table, labels).item()
            assert trained.step(labels).item() == pytest.approx(expected, rel=1e-5)


# What is read at indices, and is no array that somebody gave: (it, the index)
CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "a number, of each row": lambda i: cr.index_select(cr.full((ROWS, 3), 2.5), 0, i),
    "numbers in a row": lambda i: cr.index_select(cr.arange(ROWS), 0, i),
    "beside themselves in another order": lambda i: (
        cr.index_select(cr.arange(ROWS), 0, i) + cr.arange(ROWS).flip(0).float().sqrt() * cr.arange(ROWS)
    ),
    "numbers in a row, as rows": lambda i: cr.index_select(cr.arange(3).expand(ROWS, 3), 0, i),
    "a number, of each line": lambda i: cr.full((ROWS, 2), 2.5).gather(0, i.reshape(3, 2)),
    "numbers in a row, of each line": lambda i: cr.arange(ROWS).flip(0).gather(0, i),
    "by Python's index": lambda i: cr.arange(ROWS)[i] + cr.ones(ROWS)[i],
    "from one number": lambda i: cr.index_select(cr.full((1,), 4.0), 0, i * 0),
    "written at indices": lambda i: cr.zeros(ROWS).index_add(0, i, cr.arange(ROWS).float()),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_read_at_indices(name: str) -> None:
    index = cr.tensor(GOOD.reshape(-1))
    compiled = cr.compile(CONSTANTS[name])
    for _ in range(2):
        np.testing.assert_allclose(compiled(index).numpy(), CONSTANTS[name](index).numpy(), rtol=1e-6)
