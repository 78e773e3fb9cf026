"""The checks can fail: each derivative rule, broken in each of the ways of `tools/mutate_rules.py`, is noticed."""

from __future__ import annotations

import pytest

from chainrule.ir.primitive import REGISTRY
from tests.ops.cases import NOT_DIFFERENTIABLE, cases_of
from tools.mutate_rules import Mutation, broken, mutations_of, noticed_by

DIFFERENTIABLE = sorted(set(REGISTRY) - set(NOT_DIFFERENTIABLE))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_broken_rule_is_noticed(name: str) -> None:
    mutations = list(mutations_of(REGISTRY[name]))
    assert mutations
    assert [mutation.what for mutation in mutations if noticed_by(mutation) is None] == []


def test_right_rule_is_not_noticed_and_stands_again_afterwards() -> None:
    exp = REGISTRY["exp"]
    assert cases_of(exp)
    right = exp.vjp
    assert noticed_by(Mutation(exp, "left alone", right)) is None
    with broken(Mutation(exp, "deleted", None)):
        assert exp.vjp is None
    assert exp.vjp is right
