"""Every primitive against every check that applies to it, on every one of its samples."""

from __future__ import annotations

import pytest

from chainrule.ir.primitive import REGISTRY
from tests.ops.cases import FLAT, NOT_DIFFERENTIABLE, OWN_RULE, THROUGH, Case, all_cases, cases_of
from tests.ops.checks import CHECKS, checks_of

CASES = [pytest.param(case, check, id=f"{case.name}-{check}") for case in all_cases() for check in checks_of(case)]


@pytest.mark.parametrize(("case", "check"), CASES)
def test_primitive(case: Case, check: str) -> None:
    CHECKS[check][0](case)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_primitive_has_samples(name: str) -> None:
    assert bool(cases_of(REGISTRY[name])) != (name in THROUGH), "give the primitive `samples`"


def test_tables_name_primitives_that_exist() -> None:
    assert {*NOT_DIFFERENTIABLE, *FLAT, *OWN_RULE, *THROUGH, *THROUGH.values()} <= set(REGISTRY)
