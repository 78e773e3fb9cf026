"""Breaks every derivative rule on purpose, and asks whether the registry-wide checks notice. From the project's folder:

    python -m tools.mutate_rules [primitive ...]

A rule is deleted; each of its cotangents in turn is halved; a rule that gives zeros passes its cotangent on instead.
Prints a line per broken rule with the first check that failed; exits with 1 and lists the survivors if there are any.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from chainrule.ir.primitive import REGISTRY, Primitive, Rule
from tests.ops.cases import FLAT, NOT_DIFFERENTIABLE, THROUGH, Case, cases_of
from tests.ops.checks import CHECKS, checks_of


class Mutation(NamedTuple):
    """A wrong rule for a primitive."""

    primitive: Primitive
    what: str
    rule: Rule | None


def mutations_of(primitive: Primitive) -> Iterator[Mutation]:
    """The wrong rules that are tried."""
    rule = primitive.vjp
    if rule is None:
        return
    yield Mutation(primitive, "deleted", None)
    if primitive.name in FLAT:
        yield Mutation(primitive, "made the identity", lambda g, y, x, **params: (g,))
    elif primitive.name not in THROUGH:  # such a rule is never called
        for position in sorted(differentiated(primitive)):
            yield Mutation(primitive, f"input {position} halved", halved(rule, position))


def differentiated(primitive: Primitive) -> set[int]:
    """The positions of the inputs that get a cotangent from some sample."""
    found: set[int] = set()

    def listen(g: Any, y: Any, *inputs: Any, **params: Any) -> Any:
        assert rule is not None
        flows = rule(g, y, *inputs, **params)
        found.update(k for k, flow in enumerate(flows) if flow is not None)
        return flows

    rule = primitive.vjp
    with broken(Mutation(primitive, "listened to", listen)):
        for case in cases_of(primitive):
            for name in ("rule_is_the_derivative", "own_rule_is_followed"):
                check, applies = CHECKS[name]
                if applies(case):
                    check(case)
    return found


def halved(rule: Rule, position: int) -> Rule:
    """The rule with the cotangent of one input halved."""

    def mutant(*carriers: Any, **params: Any) -> list[Any]:
        flows = list(rule(*carriers, **params))
        if position < len(flows) and flows[position] is not None:
            flows[position] = flows[position] * 0.5
        return flows

    return mutant


@contextmanager
def broken(mutation: Mutation) -> Iterator[None]:
    """The primitive with the wrong rule, for the length of a `with` block."""
    right = mutation.primitive.vjp
    mutation.primitive.vjp = mutation.rule
    try:
        yield
    finally:
        mutation.primitive.vjp = right


def noticed_by(mutation: Mutation) -> str | None:
    """The first check that fails, with its case; None if the mutation survives."""
    name = mutation.primitive.name
    cases = cases_of(REGISTRY[THROUGH.get(name, name)])
    with broken(mutation):
        for case in cases:
            for check in checks_of(case):
                if fails(check, case):
                    return f"{case.name}-{check}"
    return None


def fails(check: str, case: Case) -> bool:
    try:
        CHECKS[check][0](case)
    except Exception:  # a broken rule may break anything
        return True
    return False


def main(names: list[str]) -> int:
    differentiable = sorted(set(REGISTRY) - set(NOT_DIFFERENTIABLE))
    survivors, count = [], 0
    for name in names or differentiable:
        for mutation in mutations_of(REGISTRY[name]):
            noticed = noticed_by(mutation)
            count += 1
            print(f"{name:30} {mutation.what:18} {noticed or 'SURVIVED'}")
            if noticed is None:
                survivors.append(f"{name}: {mutation.what}")
    print(f"{count} broken rules of {len(names or differentiable)} primitives, {len(survivors)} not noticed")
    print(*survivors, sep="\n", end="\n" if survivors else "")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
