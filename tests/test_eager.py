"""Heavy eager calls: in machine code they give what the reference gives, and the same bits however operands lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import eager
from chainrule.backends import reference
from chainrule.errors import OutOfRangeError
from chainrule.ir import state
from chainrule.ir.heavy import WORTH
from chainrule.ir.primitive import REGISTRY, Primitive
from chainrule.ir.types import Array
from chainrule.ir.value import Value
from chainrule.nn import functional as F
from tests.natively import natively

Case = tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]]
CASES: list[Case] = [
    ("matmul", ((250, 160), (160, 170)), {}),
    ("matmul", ((6, 70, 130), (6, 130, 140)), {}),
    ("linear", ((250, 160), (170, 160), (170,)), {}),
    ("linear", ((250, 160), (170, 160)), {}),
    ("softmax", ((1100, 50),), {"axis": 1}),
    ("softmax", ((50, 1100),), {"axis": 0}),
    ("log_softmax", ((1100, 50),), {"axis": 1}),
    ("layer_norm", ((1100, 80),), {"trailing": 1, "eps": 1e-5}),
    ("layer_norm", ((550, 4, 40),), {"trailing": 2, "eps": 1e-5}),
    ("scaled_dot_product_attention", ((2, 4, 60, 24),) * 3, {"scale": 0.2, "is_causal": True}),
    ("erf", ((70, 80),), {}),
    ("gelu", ((70, 80),), {"approximate": "none"}),
    ("gelu", ((70, 80),), {"approximate": "tanh"}),
]
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}  # of the largest element

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1:]}")
each_dtype = pytest.mark.parametrize("dtype", TOLERANCE)


native = pytest.fixture(autouse=True)(natively)


def operands(case: Case, dtype: str) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in case[1]]


def cotangents(primitive: Primitive, g: Array, y: Array, arrays: list[Array], params: dict[str, Any]) -> list[Array]:
    """Of all operands, in machine code."""
    inputs = [Value(array, needs_grad=True) for array in arrays]
    found = eager.cotangents_of(primitive, Value(g), Value(y), inputs, params)
    assert found is not None
    return [flow.array for flow in found if flow is not None]


def test_every_primitive_that_can_be_heavy_has_a_case() -> None:
    heavy = {name for name, primitive in REGISTRY.items() if primitive.cost is not None}
    assert heavy == {case[0] for case in CASES} | {"cross_entropy"}


@each_dtype
@each_case
def test_agrees_with_the_reference(case: Case, dtype: str) -> None:
    primitive, params, arrays = REGISTRY[case[0]], case[2], operands(case, dtype)
    assert primitive.cost is not None
    assert primitive.cost(*arrays) >= WORTH
    y, expected = eager.result_of(primitive, arrays, params), primitive.reference(*arrays, **params)
    assert y is not None
    assert np.abs(y - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max()
    g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    found = cotangents(primitive, g, y, arrays, params)
    with state.using(state.gradients_enabled, False), state.using(state.executor, "reference"):
        assert primitive.vjp is not None
        flows = primitive.vjp(Value(g), Value(expected), *map(Value, arrays), **params)
    assert len(found) == len(flows)
    for flow, array in zip(flows, found, strict=True):
        assert np.abs(flow.array - array).max() <= TOLERANCE[dtype] * np.abs(flow.array).max()


@each_case
def test_bits_depend_neither_on_layout_nor_on_threads(case: Case) -> None:
    primitive, params, arrays = REGISTRY[case[0]], case[2], operands(case, "float32")
    y = eager.result_of(primitive, arrays, params)
    assert y is not None
    g = np.random.default_rng(1).standard_normal(y.shape).astype("float32")
    gradients = cotangents(primitive, g, y, arrays, params)
    turned = [np.ascontiguousarray(array.T).T for array in arrays]
    cr.set_num_threads(1)
    again = eager.result_of(primitive, turned, params)
    assert again is not None
    assert again.tobytes() == y.tobytes()
    for one, other in zip(gradients, cotangents(primitive, g, y, turned, params), strict=True):
        assert one.tobytes() == other.tobytes()


def test_small_calls_and_the_reference_executor_have_the_bits_of_numpy() -> None:
    rng = np.random.default_rng(0)
    large, small = (rng.standard_normal((size, size), np.float32) for size in (300, 20))
    assert (cr.tensor(small) @ cr.tensor(small)).numpy().tobytes() == (small @ small).tobytes()
    with state.using(state.executor, "reference"):
        found = (cr.tensor(large) @ cr.tensor(large)).numpy()
    assert found.tobytes() == REGISTRY["matmul"].reference(large, large).tobytes()


def trained(executor: str) -> list[float]:
    """A few losses of a network whose calls are heavy, and a second derivative."""
    cr.manual_seed(0)
    with state.using(state.executor, executor):
        first, second = cr.nn.Linear(200, 300), cr.nn.Linear(300, 200)
        x = cr.randn(400, 200, requires_grad=True)
        loss = F.cross_entropy(second(F.gelu(F.layer_norm(first(x), (300,)))), cr.arange(400) % 200)
        slope = cr.autograd.grad(loss, x, create_graph=True)[0]
        (loss + slope.square().sum()).backward()
        assert first.weight.grad is not None
        return [loss.item(), first.weight.grad.square().sum().item()]


def test_a_network_and_its_second_derivative_agree_with_the_reference() -> None:
    assert trained("native") == pytest.approx(trained("reference"), rel=1e-4)


def test_the_same_call_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def counted(graph: Any) -> Any:
        made.append(graph)
        return reference.compile(graph)

    monkeypatch.setattr(eager, "_programs", eager.Programs())
    monkeypatch.setattr(eager, "compile_native", counted)
    x, w = cr.randn(300, 200), cr.randn(300, 200, requires_grad=True)
    for _ in range(3):
        F.linear(x, w).sum().backward()
    forward, backward = made
    assert len(forward.outputs) == 1
    assert [node.shape for node in backward.outputs] == [(300, 200)]  # x asks for no gradient


def test_programs_that_were_not_used_for_long_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager, "KEPT", 2)
    monkeypatch.setattr(eager, "compile_native", lambda graph: object())
    programs = eager.Programs()
    first, second = (programs.find(key, list, [], []) for key in "ab")
    assert programs.find("a", list, [], []) is first
    programs.find("c", list, [], [])
    assert programs.find("a", list, [], []) is first
    assert programs.find("b", list, [], []) is not second


def test_a_class_number_out_of_range_is_named() -> None:
    target = np.zeros(2000, np.int64)
    target[7] = 50
    with pytest.raises(OutOfRangeError, match=r"class number 50 at position \[7\]"):
        F.cross_entropy(cr.randn(2000, 50), cr.tensor(target))


def test_what_machine_code_does_not_have_is_left_to_numpy() -> None:
    x = np.arange(300 * 300, dtype=np.int8).reshape(300, 300)
    assert ((cr.tensor(x) @ cr.tensor(x)).numpy() == x @ x).all()
