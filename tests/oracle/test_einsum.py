from __future__ import annotations

import numpy as np
import pytest
import torch

from chainrule.ir.types import Shape
from chainrule.ir.value import Value
from chainrule.ops.einsum import einsum
from tests.oracle.agreement import assert_agrees, assert_equal

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        # one operand: the transpose, sums, diagonals
        ("ij->ji", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("bA", [(2, 3)]),
        ("ij->", [(2, 3)]),
        ("ij->j", [(2, 3)]),
        ("ii", [(3, 3)]),
        ("ii->i", [(3, 3)]),
        ("iij->ji", [(3, 3, 2)]),
        ("iji", [(3, 2, 3)]),
        ("iii->i", [(3, 3, 3)]),
        ("iijj->ij", [(3, 3, 2, 2)]),
        ("ii->i", [(0, 0)]),
        ("ii->i", [(1, 1)]),
        ("", [()]),
        ("->", [()]),
        # two
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ij,jk->ki", [(2, 3), (3, 4)]),
        ("ij,kj->ik", [(2, 3), (4, 3)]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("bij,bjk->ikb", [(5, 2, 3), (5, 3, 4)]),
        ("bij,bjk->", [(5, 2, 3), (5, 3, 4)]),
        ("abij,bajk->ik", [(2, 3, 4, 5), (3, 2, 5, 6)]),
        ("ijk,jil->kl", [(2, 3, 4), (3, 2, 5)]),
        ("i,j->ij", [(2,), (3,)]),
        ("i,j->ji", [(2,), (3,)]),
        ("i,i", [(3,), (3,)]),
        ("i,i->i", [(3,), (3,)]),
        ("ij,ji->ij", [(2, 3), (3, 2)]),
        ("bi,bj->bij", [(2, 3), (2, 4)]),
        (",ij->ij", [(), (2, 3)]),
        (",", [(), ()]),
        ("ij,k->i", [(2, 3), (4,)]),
        ("ii,i->i", [(3, 3), (3,)]),
        (" i j , j k -> i k ", [(2, 3), (3, 4)]),
        # axes of length 1 broadcast
        ("i,i->i", [(1,), (3,)]),
        ("i,i->", [(1,), (3,)]),
        ("ij,ij->ij", [(1, 3), (2, 1)]),
        ("bij,bjk->bik", [(1, 2, 3), (5, 1, 4)]),
        ("i,i->i", [(1,), (0,)]),
        # the ellipsis
        ("...", [(2, 3)]),
        ("...->...", [(2, 3)]),
        ("...i->i", [(2, 3)]),
        ("i...->i", [(2, 3, 4)]),
        ("i...", [(2, 3, 4)]),
        ("i...j->j...i", [(2, 3, 4, 5)]),
        ("i->i...", [(3,)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("...i,...i", [(2, 3), (3,)]),
        ("...ij,...jk->...ik", [(6, 1, 2, 3), (5, 3, 4)]),
        ("...ij,jk", [(6, 5, 2, 3), (3, 4)]),
        ("b...c,c...->...b", [(2, 3, 4, 5), (5, 4)]),
        ("...,...->...", [(2, 1), (3,)]),
        # more
        ("ij,jk,kl", [(2, 3), (3, 4), (4, 5)]),
        ("i,i,i", [(3,), (3,), (3,)]),
        ("i,i,i->i", [(3,), (3,), (3,)]),
        ("ij,kj,kl,ml->im", [(2, 3), (4, 3), (4, 5), (6, 5)]),
        ("bhld,bhsd,bhsv->blhv", [(2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7)]),
        # nothing
        ("ij,jk->ik", [(2, 0), (0, 3)]),
        ("ij,jk->ik", [(0, 2), (2, 3)]),
        ("i,j->ij", [(0,), (3,)]),
        ("ij->j", [(0, 3)]),
    ],
)
def test_einsum(equation: str, shapes: list[Shape]) -> None:
    arrays = [RNG.standard_normal(shape) for shape in shapes]
    assert_agrees(lambda *xs: einsum(equation, *xs), lambda *xs: torch.einsum(equation, *xs), *arrays)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij->i", [(2, 3)]),
        ("ii->i", [(3, 3)]),
        ("i,j->ij", [(2,), (3,)]),
        ("ij,kj->", [(2, 3), (4, 3)]),
    ],
)
def test_einsum_of_integers_has_pytorchs_type(equation: str, shapes: list[Shape]) -> None:
    arrays = [RNG.integers(-9, 9, shape).astype(np.int32) for shape in shapes]
    found = einsum(equation, *map(Value, arrays))
    assert_equal(found.array, torch.einsum(equation, *map(torch.from_numpy, arrays)), 0)
