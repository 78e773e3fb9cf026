"""What every primitive is held to on its samples. A check raises AssertionError; `CHECKS` lists them by name.

The registry-wide test runs each on each sample; the mutation run asks whether one of them notices a wrong rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.backends import reference
from chainrule.ir import state
from chainrule.ir.errors import ChainruleError
from chainrule.ir.graph import Graph
from chainrule.ir.parse import parse
from chainrule.ir.text import text_of
from chainrule.ir.trace import Trace, make_input
from chainrule.ir.types import Array, Type, type_of
from chainrule.ir.value import Value
from chainrule.ir.verify import verify
from tests.gradients import (
    Function,
    check_jvp,
    check_second_order,
    check_vjp,
    evaluate,
    floats_of,
    is_float,
    normal_like,
    pullback,
    variables,
    vjp,
)
from tests.ops.cases import FLAT, NOT_DIFFERENTIABLE, OWN_RULE, Case, types_of

# How far an expansion may be from the reference: in units of the last place of the result's largest element.
EXPANSION_ULPS = {"float64": 8, "float32": 8}
# Expansions that subtract from 1, and so are no more exact than 1 is where the result is small.
CANCELLING = {"erfc": "1 - erf(x)", "ndtr": "1 + erf(u)", "gelu": "1 + erf(u) or 1 + tanh(u), for negative u"}
# How far the derivative of an expansion may be from the rule's, relative to its norm, in float64.
EXPANSION_DERIVATIVE = 1e-10

# To which cases a check applies ---------------------------------------------------------------------------------------


def always(case: Case) -> bool:
    return True


def once(case: Case) -> bool:
    return case.index == 0


def has_derivative(case: Case) -> bool:
    """Something floating comes out of something floating, and no table says that it has no derivative."""
    if case.primitive.name in NOT_DIFFERENTIABLE or case.primitive.name in OWN_RULE:
        return False
    return any(map(is_float, case.arrays)) and bool(evaluate(case.function, case.arrays))


def is_flat(case: Case) -> bool:
    return case.primitive.name in FLAT


def has_own_rule(case: Case) -> bool:
    return case.primitive.name in OWN_RULE


def has_expansion(case: Case) -> bool:
    return case.primitive.expand is not None


def has_both(case: Case) -> bool:
    return has_expansion(case) and has_derivative(case)


# Values and types -----------------------------------------------------------------------------------------------------


def type_rule_is_right(case: Case) -> None:
    """The type rule says what the reference returns."""
    for precision in case.precisions():
        inferred = case.primitive.infer(*map(type_of, precision.arrays), **case.params)
        expected = [inferred] if isinstance(inferred, Type) else list(inferred)
        found = [type_of(array) for array in precision.reference(precision.arrays)]
        assert found == expected, f"the reference returns {found}, the type rule says {expected}"


def layout_does_not_matter(case: Case) -> None:
    """The result does not depend on how operands lie in memory, nor are operands written to."""
    for precision in [*case.precisions(), *enlarged(case)]:
        plain = [np.array(array, order="C") for array in precision.arrays]
        expected = [result.copy() for result in precision.reference(plain)]
        assert same_bits(plain, precision.arrays), "the reference writes into an operand"
        for what, arrays in layouts(plain):
            assert same_bits(precision.reference(arrays), expected), f"other bits for {what} operands"


def enlarged(case: Case) -> list[Case]:
    """The case with operands long enough that the order of additions shows, if its parameters allow that."""
    most = max((array.ndim for array in case.arrays), default=0)
    factor = {1: 50, 2: 13, 3: 6, 4: 4}.get(most, 1)
    arrays = [np.tile(array, (factor,) * array.ndim) for array in case.arrays]
    scaled = [np.asarray(a * case.rng.uniform(0.9, 1, a.shape), a.dtype) if is_float(a) else a for a in arrays]
    try:
        case.primitive.infer(*map(type_of, arrays), **case.params)
    except (ChainruleError, AssertionError):
        return []  # the parameters fit the sample's shapes alone
    return replace(case, arrays=tuple(scaled)).precisions()


def layouts(arrays: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    """The same values in column order, as every second element, backwards, and mixed."""
    column = [np.array(array, order="F") for array in arrays]
    yield "column-major", column
    yield "strided", [_strided(array) for array in arrays]
    yield "backward", [np.flip(np.flip(array).copy()) for array in arrays]
    if len(arrays) > 1:
        yield "mixed", [array if k % 2 else column[k] for k, array in enumerate(arrays)]
        yield "mixed", [column[k] if k % 2 else array for k, array in enumerate(arrays)]


def _strided(array: Array) -> Array:
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 0] = array
    return wide[..., 0]


def same_bits(first: Sequence[Array], second: Sequence[Array]) -> bool:
    """Whether arrays agree in type, shape and every bit."""
    return len(first) == len(second) and all(
        type_of(a) == type_of(b) and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True)
    )


# Derivatives ----------------------------------------------------------------------------------------------------------


def rule_stands_as_documented(case: Case) -> None:
    """There is a rule, unless the table says that there is none."""
    name, rule = case.primitive.name, case.primitive.vjp
    assert (rule is None) == (name in NOT_DIFFERENTIABLE), (
        f"{name} has {'no' if rule is None else 'a'} derivative rule; NOT_DIFFERENTIABLE says otherwise"
    )


def rule_gives_types_of_inputs(case: Case) -> None:
    """A cotangent has the type of its input; an input that is not floating has none."""
    assert case.primitive.vjp is not None, "there is no rule"
    for precision in case.precisions():
        inputs = variables(precision.arrays)
        y = case.primitive(*inputs, **case.params)
        ones: Any = tuple(Value(np.ones(type.shape, type.dtype.numpy)) for type in types_of(y))
        flows = case.primitive.vjp(ones[0] if isinstance(y.type, Type) else ones, y, *inputs, **case.params)
        found = [None if flow is None else flow.type for flow in flows]
        expected = [x.type if is_float(x) else None for x in inputs]
        assert found == expected, f"the cotangents are {found}, they should be {expected}"


def rule_is_the_derivative(case: Case) -> None:
    """The vjp agrees with the directional difference, for every floating input and jointly."""
    check_vjp(case.function, case.arrays, case.bound, case.rng)


def rule_is_the_derivative_forwards(case: Case) -> None:
    """So does the jvp that is the vjp of the vjp."""
    check_jvp(case.function, case.arrays, case.bound, case.rng)


def rule_can_be_differentiated(case: Case) -> None:
    """The rule's own derivatives agree with the directional difference of the rule."""
    check_second_order(case.function, case.arrays, case.bound, case.rng)


def zero_cotangent_gives_zero(case: Case) -> None:
    """No cotangent in, none out."""
    zeros = [np.zeros_like(array) for array in evaluate(case.function, case.arrays)]
    for flow in vjp(case.function, case.arrays, zeros):
        assert not flow.any(), f"a zero cotangent gives {flow}"


def flat_rule_gives_zeros(case: Case) -> None:
    """A step has derivative zero, and has one."""
    results = floats_of(case.function(*variables(case.arrays)))
    assert all(result.needs_grad for result in results), "there is no rule"
    cotangents = normal_like(case.rng, [result.array for result in results])
    assert not any(flow.any() for flow in vjp(case.function, case.arrays, cotangents))


def own_rule_is_followed(case: Case) -> None:
    """The cotangents are what the user's function returns."""
    count = case.params["results"]
    given = [Value(array) for array in case.arrays]
    cotangents = normal_like(case.rng, case.arrays[:count])
    expected = case.params["derivative"](tuple(map(Value, cotangents)), tuple(given[:count]), tuple(given[count:]))
    found = vjp(case.function, case.arrays, cotangents)
    assert same_bits(found[count:], [flow.array for flow in expected])
    assert not any(flow.any() for flow in found[:count]), "a given result has no derivative"


# Expansions -----------------------------------------------------------------------------------------------------------


def expansion_is_the_reference(case: Case) -> None:
    """`expand` computes what the reference computes, within a few units of the last place."""
    for precision in case.precisions():
        expected = precision.reference(precision.arrays)
        expanded = [carrier.array for carrier in precision.expansion(*map(Value, precision.arrays))]
        assert list(map(type_of, expanded)) == list(map(type_of, expected))
        for found, wanted in zip(expanded, expected, strict=True):
            assert_close_in_ulps(found, wanted, at_least=float(case.primitive.name in CANCELLING))


def assert_close_in_ulps(found: Array, wanted: Array, at_least: float) -> None:
    if not is_float(wanted):
        assert same_bits([found], [wanted])
        return
    finite = np.isfinite(wanted)
    assert np.array_equal(found[~finite], wanted[~finite], equal_nan=True)
    off = np.abs(found[finite] - wanted[finite]).max(initial=0)
    largest = np.abs(wanted[finite]).max(initial=max(at_least, np.finfo(wanted.dtype).tiny))
    ulps = off / np.spacing(largest.astype(wanted.dtype))
    allowed = EXPANSION_ULPS[wanted.dtype.name]
    assert ulps <= allowed, f"the expansion is off by {ulps:.1f} units of the last place, allowed are {allowed}"


def expansion_has_the_same_derivative(case: Case) -> None:
    """The derivative of the expansion is the rule's."""
    cotangents = normal_like(case.rng, evaluate(case.function, case.arrays))
    expected = vjp(case.function, case.arrays, cotangents)
    found = vjp(case.expansion, case.arrays, cotangents)
    for a, b in zip(found, expected, strict=True):
        off, scale = np.linalg.norm(a - b), np.linalg.norm(b)
        assert off <= EXPANSION_DERIVATIVE * scale, f"the expansion's derivative is off by {off / (scale or 1):.1e}"


# Traces ---------------------------------------------------------------------------------------------------------------


def trace_is_eager(case: Case) -> None:
    """Traced, verified, written, read back and run by the reference backend it gives the bits of eager mode."""
    for precision in case.precisions():
        assert_trace_is_eager(precision.function, precision.arrays)


def traced_rule_is_eager(case: Case) -> None:
    """So does its rule."""
    for precision in case.precisions():
        cotangents = normal_like(case.rng, evaluate(precision.function, precision.arrays))
        backward = pullback(precision.function, len(precision.arrays))
        assert_trace_is_eager(backward, [*precision.arrays, *cotangents])


def assert_trace_is_eager(function: Function, arrays: Sequence[Array]) -> None:
    eager = [carrier.array for carrier in function(*variables(arrays))]
    inputs = [make_input(f"x{k}", type_of(array), needs_grad=is_float(array)) for k, array in enumerate(arrays)]
    with state.using(state.trace, trace := Trace()):
        outputs = tuple(function(*inputs))
    constants = list(trace.constants.values())
    graph = Graph((*inputs, *(node for _, node in constants)), outputs)
    verify(graph)
    traced = reference.compile(graph)([*arrays, *(array for array, _ in constants)])
    assert same_bits(traced, eager), f"traced {traced}, eager {eager}"
    if not any(callable(value) for node in graph.nodes for value in node.params.values()):
        assert text_of(parse(text_of(graph))) == text_of(graph)


Check = Callable[[Case], None]

# The cheap ones first: the mutation run stops at the first that notices.
CHECKS: dict[str, tuple[Check, Callable[[Case], bool]]] = {
    check.__name__: (check, applies)
    for check, applies in (
        (type_rule_is_right, always),
        (layout_does_not_matter, always),
        (rule_stands_as_documented, once),
        (rule_gives_types_of_inputs, has_derivative),
        (rule_is_the_derivative, has_derivative),
        (rule_is_the_derivative_forwards, has_derivative),
        (rule_can_be_differentiated, has_derivative),
        (zero_cotangent_gives_zero, has_derivative),
        (flat_rule_gives_zeros, is_flat),
        (own_rule_is_followed, has_own_rule),
        (expansion_is_the_reference, has_expansion),
        (expansion_has_the_same_derivative, has_both),
        (trace_is_eager, always),
        (traced_rule_is_eager, has_derivative),
    )
}


def checks_of(case: Case) -> list[str]:
    """The names of the checks that apply to a case."""
    return [name for name, (_, applies) in CHECKS.items() if applies(case)]
