from __future__ import annotations

import numpy as np
import pytest

from chainrule.ir.errors import ArgumentError, ChainruleError, NotYetError, ShapeError
from chainrule.ir.types import Shape
from chainrule.ir.value import Value
from chainrule.ops.einsum import einsum

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij->ji", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("ii->i", [(3, 3)]),
        ("iji->j", [(3, 2, 3)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("bij,bjk->ikb", [(5, 2, 3), (5, 3, 4)]),
        ("i,i->i", [(3,), (3,)]),
        ("i,j", [(2,), (3,)]),
        (",ij", [(), (2, 3)]),
        ("...ij,...jk", [(6, 1, 2, 3), (5, 3, 4)]),
        ("i...j->j...i", [(2, 3, 4)]),
        ("ij,jk,kl->li", [(2, 3), (3, 4), (4, 5)]),
        ("ij,jk->ik", [(2, 0), (0, 3)]),
        ("ij->j", [(0, 3)]),
    ],
)
def test_einsum_is_numpys(equation: str, shapes: list[Shape]) -> None:
    arrays = [RNG.standard_normal(shape) for shape in shapes]
    found = einsum(equation, *map(Value, arrays)).array
    np.testing.assert_allclose(found, np.einsum(equation, *arrays), rtol=1e-12, atol=1e-12)


def test_an_ellipsis_that_the_result_leaves_out_is_summed() -> None:
    np.testing.assert_array_equal(einsum("...i->i", Value(np.ones((4, 2, 3)))).array, [8, 8, 8])


def test_an_off_diagonal_nan_does_not_reach_the_trace() -> None:
    assert einsum("ii", Value(np.array([[1.0, np.nan], [np.inf, 2.0]]))).array == 3


@pytest.mark.parametrize(
    ("equation", "shapes", "error", "message"),
    [
        ("i,j->i", [(2,)], ArgumentError, "names 2 operands, 1 were given"),
        ("i->i", [(2,), (2,)], ArgumentError, "names 1 operands, 2 were given"),
        ("i1->i", [(2, 2)], ArgumentError, "'i1' of 'i1->i' is not understood"),
        ("i->i->i", [(2,)], ArgumentError, "'i->i' of 'i->i->i' is not understood"),
        ("i.->i", [(2, 2)], ArgumentError, "'i.' of 'i.->i' is not understood"),
        ("......->", [(2, 2)], ArgumentError, "is not understood"),
        ("i->ii", [(2,)], ArgumentError, "'i' in the result of 'i->ii' is there twice"),
        ("i->j", [(2,)], ArgumentError, "'j' in the result of 'i->j' is in no operand"),
        ("i->i", [(2, 3)], ShapeError, r"names 1 dimensions, its operand f64\[2, 3\] has 2"),
        ("ij...->i", [(2,)], ShapeError, r"names 2 dimensions, its operand f64\[2\] has 1"),
        (
            "ij,jk->ik",
            [(2, 3), (4, 5)],
            ShapeError,
            r"'j' of 'ij,jk->ik' has lengths 3 and 4 in f64\[2, 3\], f64\[4, 5\]",
        ),
        ("...i,...i", [(2, 3), (4, 3)], ShapeError, r"'...' of '...i,...i' has lengths 2 and 4"),
        ("ii->i", [(2, 3)], ShapeError, "'ii->i' has lengths 2 and 3"),
        ("ii->i", [(1, 3)], ShapeError, "'i' is twice in a term"),
        ([0, 1], [(2, 3)], NotYetError, "lists of axis numbers"),
    ],
)
def test_an_equation_that_does_not_fit_is_refused(
    equation: str, shapes: list[Shape], error: type[ChainruleError], message: str
) -> None:
    with pytest.raises(error, match=message):
        einsum(equation, *(Value(np.zeros(shape)) for shape in shapes))
