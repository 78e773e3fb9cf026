"""Containers do what Python's list and dict do, and their members' parameters are found."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, OutOfRangeError, RegistrationError


def relus(n: int) -> list[nn.ReLU]:
    return [nn.ReLU() for _ in range(n)]


def test_sequential_chains() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = cr.ones(4, 2)
    assert net(x).tolist() == net[2](net[1](net[0](x))).tolist()
    assert nn.Sequential()(x) is x


def test_sequential_of_names() -> None:
    net = nn.Sequential(OrderedDict([("first", nn.Linear(2, 3)), ("second", nn.ReLU())]))
    assert net.first is net[0]
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert [name for name, _ in net[1:].named_children()] == ["second"]


@pytest.mark.parametrize("kind", [nn.Sequential, lambda *modules: nn.ModuleList(modules)], ids=["chain", "list"])
def test_list_operations(kind: Any) -> None:
    a, b, c, d = relus(4)
    net = kind(a, b, c)
    assert (len(net), list(net)) == (3, [a, b, c])
    assert net[-1] is c
    assert list(net[1:]) == [b, c]
    assert type(net[1:]) is type(net)
    net[1] = d
    assert list(net) == [a, d, c]
    del net[0]
    assert [name for name, _ in net.named_children()] == ["0", "1"]
    net.insert(1, b)
    assert list(net) == [d, b, c]
    assert net.pop(1) is b
    assert list(net.extend([a, b])) == [d, c, a, b]
    del net[:2]
    assert list(net) == [a, b]
    assert list(net + kind(c)) == [a, b, c]
    net += [d]
    assert list(net) == [a, b, d]
    assert net.append(c) is net
    for index in (4, -5):
        with pytest.raises(OutOfRangeError):
            net[index]
    for method, arguments in (("append", (3,)), ("insert", (0, 3)), ("__setitem__", (0, 3))):
        with pytest.raises(RegistrationError):
            getattr(net, method)(*arguments)


def test_sequential_arithmetic() -> None:
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    assert [type(module) for module in net * 2] == [nn.ReLU, nn.Tanh] * 2
    assert len(2 * net) == 4
    net *= 3
    assert len(net) == 6
    with pytest.raises(ArgumentError):
        net * 0
    with pytest.raises(RegistrationError):
        net + nn.ModuleList([nn.ReLU()])  # type: ignore[operator]


def test_module_list_shows_equal_members_once() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)] + [nn.ReLU()])
    assert repr(layers).splitlines()[1:3] == [
        "  (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)  # 6 parameters",
        "  (3): ReLU()",
    ]


def test_module_dict() -> None:
    a, b = relus(2)
    heads = nn.ModuleDict({"a": a})
    heads["b"] = b
    assert (list(heads), list(heads.keys()), list(heads.values())) == (["a", "b"], ["a", "b"], [a, b])
    assert list(heads.items()) == [("a", a), ("b", b)]
    assert ("a" in heads, "c" in heads, len(heads)) == (True, False, 2)
    heads.update([("c", nn.Tanh())])
    assert heads.pop("a") is a
    del heads["b"]
    assert list(heads) == ["c"]
    heads.update(nn.ModuleDict({"d": a}))
    heads.clear()
    assert len(heads) == 0
    with pytest.raises(RegistrationError):
        heads["x"] = 3  # type: ignore[assignment]
    with pytest.raises(KeyError):
        heads["x"]


def test_parameter_list() -> None:
    weights = nn.ParameterList([cr.ones(2), nn.Parameter(cr.zeros(1))])
    weights.append(cr.ones(3))
    weights += [cr.ones(4)]
    assert [tuple(p.shape) for p in weights] == [(2,), (1,), (3,), (4,)]
    assert all(isinstance(p, nn.Parameter) for p in weights)
    assert list(weights.state_dict()) == ["0", "1", "2", "3"]
    weights[0] = cr.zeros(5)
    assert weights[0].shape == (5,)
    assert len(weights[1:3]) == 2
    assert "(0): Parameter containing: [chainrule.float32 of size 5]" in repr(weights)
    with pytest.raises(OutOfRangeError):
        weights[4]
    with pytest.raises(RegistrationError):
        weights.extend(cr.ones(3))


def test_parameter_dict() -> None:
    weights = nn.ParameterDict({"a": cr.ones(2)})
    weights["b"] = nn.Parameter(cr.zeros(1))
    assert (list(weights), len(weights), "a" in weights) == (["a", "b"], 2, True)
    assert list(weights.state_dict()) == ["a", "b"]
    assert isinstance(weights["a"], nn.Parameter)
    assert weights.a is weights["a"]
    assert (weights | nn.ParameterDict({"c": cr.ones(1)})).keys() == {"a", "b", "c"}
    assert weights.copy()["a"] is weights["a"]
    assert weights.get("z") is None
    assert weights.setdefault("d", cr.ones(1)) is weights["d"]
    assert weights.popitem()[0] == "d"
    assert weights.pop("a").shape == (2,)
    assert list(weights.items()) == [("b", weights["b"])]
    assert list(weights.fromkeys(["x"], cr.ones(1))) == ["x"]
    assert "(b): Parameter containing" in repr(weights)
    weights.clear()
    assert (len(weights), list(weights.parameters())) == (0, [])
    with pytest.raises(KeyError):
        weights["a"]
    with pytest.raises(RegistrationError):
        weights[3] = cr.ones(1)  # type: ignore[index]
