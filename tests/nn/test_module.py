"""Module: registration, attributes, walks, modes, hooks, text. What a compiled step sees of it is in test_traced.py."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import (
    ArgumentError,
    DTypeError,
    InPlaceError,
    NotYetError,
    RegistrationError,
    ShapeError,
)
from chainrule.ir import state


class Net(nn.Module):
    """Two layers, one of them held twice, a buffer and a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(cr.ones(1))
        self.hidden = nn.Linear(3, 3)
        self.again = self.hidden
        self.out = nn.Sequential(nn.ReLU(), nn.Linear(3, 2, bias=False))
        self.register_buffer("calls", cr.zeros((), dtype=cr.int64))
        self.register_buffer("scratch", cr.zeros(2), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.out(self.again(self.hidden(x))) * self.scale


# Registration ---------------------------------------------------------------------------------------------------------


def test_names_are_pytorchs_and_what_is_shared_comes_once() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["scale", "hidden.weight", "hidden.bias", "out.1.weight"]
    assert [name for name, _ in net.named_buffers()] == ["calls", "scratch"]
    assert [name for name, _ in net.named_modules()] == ["", "hidden", "out", "out.0", "out.1"]
    assert [name for name, _ in net.named_children()] == ["hidden", "out"]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [name for name, _ in net.named_parameters(prefix="net", recurse=False)] == ["net.scale"]


def test_without_remove_duplicate_every_name_comes() -> None:
    net = Net()
    names = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert names == ["scale", "hidden.weight", "hidden.bias", "again.weight", "again.bias", "out.1.weight"]
    assert "again" in [name for name, _ in net.named_modules(remove_duplicate=False)]


def test_tied_parameters_come_once() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert "1.weight" in net.state_dict()


def test_members_are_found_by_their_dotted_names() -> None:
    net = Net()
    assert net.get_submodule("out.1") is net.out[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("out.1.weight") is net.out[1].weight
    assert net.get_buffer("calls") is net.calls
    for find, name in ((net.get_submodule, "out.7"), (net.get_parameter, "out.0.weight"), (net.get_buffer, "scale")):
        with pytest.raises(AttributeError, match="it has:"):
            find(name)


def test_assigning_a_parameter_replaces_it() -> None:
    layer = nn.Linear(2, 2)
    weight = nn.Parameter(cr.ones(2, 2))
    layer.weight = weight
    assert layer.weight is weight
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]
    layer.extra = nn.Linear(1, 1)
    layer.extra = nn.Parameter(cr.ones(1))
    assert [name for name, _ in layer.named_children()] == []
    assert list(layer.state_dict()) == ["weight", "extra"]


def test_assigning_a_tensor_to_a_parameter_is_an_error() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"nn\.Parameter\(\.\.\.\)"):
        layer.weight = cr.ones(2, 2)
    with pytest.raises(RegistrationError, match="Module or None"):
        Net().hidden = 3  # type: ignore[assignment]


def test_assigning_a_tensor_to_a_buffer_writes_it() -> None:
    net = Net()
    cell = net.scratch
    net.scratch = cr.tensor([1.0, 2.0])
    assert net.scratch is cell
    assert cell.tolist() == [1, 2]
    net.scratch += 1
    assert net.scratch is cell
    assert cell.tolist() == [2, 3]


def test_a_buffer_keeps_shape_and_kind() -> None:
    net = Net()
    with pytest.raises(ShapeError, match=r"register_buffer\('scratch'"):
        net.scratch = cr.zeros(3)
    with pytest.raises(InPlaceError, match="float32"):
        net.calls = cr.zeros(())
    with pytest.raises(RegistrationError, match="fill_"):
        net.scratch = 0
    net.register_buffer("scratch", cr.zeros(3))
    assert net.scratch.shape == (3,)
    net.scratch = None
    assert "scratch" not in net.state_dict()
    net.scratch = cr.ones(4)
    assert net.state_dict()["scratch"].tolist() == [1, 1, 1, 1]


def test_the_registered_tensor_is_the_cell() -> None:
    first, second, shared = nn.Identity(), nn.Identity(), cr.zeros(2)
    first.register_buffer("mean", shared)
    second.register_buffer("mean", shared)
    shared.add_(1)
    assert first.mean is second.mean is shared
    both = nn.ModuleList([first, second])
    assert [name for name, _ in both.named_buffers()] == ["0.mean"]


def test_assigning_to_a_buffer_that_is_a_view_does_not_write_the_base() -> None:
    base, module = cr.zeros(4), nn.Identity()
    module.register_buffer("part", base[:2])
    with pytest.raises(InPlaceError, match="clone"):
        module.part = cr.ones(2)
    assert base.tolist() == [0, 0, 0, 0]


def test_a_buffer_object_registers_itself() -> None:
    module = nn.Identity()
    module.kept = nn.Buffer(cr.ones(1))
    module.passing = nn.Buffer(cr.ones(1), persistent=False)
    assert list(module.state_dict()) == ["kept"]
    assert [name for name, _ in module.named_buffers()] == ["kept", "passing"]


@pytest.mark.parametrize(
    "register",
    [
        lambda m: m.register_buffer("a.b", None),
        lambda m: m.register_buffer("", None),
        lambda m: m.register_buffer("forward", None),
        lambda m: m.register_buffer("x", 3),
        lambda m: m.register_buffer(3, None),
        lambda m: m.register_parameter("hidden", None),
        lambda m: m.register_parameter("x", cr.ones(1)),
        lambda m: m.add_module("scale", nn.ReLU()),
        lambda m: m.add_module("x", 3),
        lambda m: m.add_module("x.y", nn.ReLU()),
    ],
    ids=range(10),
)
def test_what_cannot_be_registered(register: Callable[[Any], Any]) -> None:
    with pytest.raises(RegistrationError):
        register(Net())


@pytest.mark.parametrize("member", ["nn.Linear(1, 1)", "nn.Parameter(cr.ones(1))", "nn.Buffer(cr.ones(1))"])
def test_a_member_before_init_is_an_error(member: str) -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.member = eval(member)

    with pytest.raises(AttributeError, match="super"):
        Early()


def test_a_call_before_init_is_an_error() -> None:
    class Never(nn.Module):
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError, match="super"):
        Never()(1)


def test_deleting() -> None:
    net = Net()
    net.plain = 3
    for name in ("scale", "calls", "scratch", "again", "plain"):
        delattr(net, name)
        assert not hasattr(net, name)
    with pytest.raises(AttributeError):
        del net.never
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias", "out.1.weight"]


def test_dir_shows_members() -> None:
    assert {"scale", "hidden", "calls", "forward"} <= set(dir(Net()))
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


def test_missing_attributes() -> None:
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        nn.Linear(1, 1).wieght  # noqa: B018
    with pytest.raises(NotYetError, match="register_full_backward_hook"):
        nn.Linear(1, 1).register_full_backward_hook(print)
    assert not hasattr(nn.Linear(1, 1), "half")


# Calls ----------------------------------------------------------------------------------------------------------------


def test_without_forward_the_error_says_so() -> None:
    with pytest.raises(NotImplementedError, match="def forward"):
        nn.ModuleList([nn.ReLU()])(1)


def test_an_error_names_the_line_and_the_layer() -> None:
    with pytest.raises(ShapeError, match=r"Did you mean Linear\(5, 3\)\?") as caught:
        Net()(cr.ones(2, 5))
    assert "test_module.py:" in str(caught.value)
    assert str(caught.value).endswith("layer hidden")
    assert state.layers.get() is None
    with pytest.raises(ShapeError) as caught:
        Net().out(cr.ones(2, 5))
    assert str(caught.value).endswith("layer 1")


def test_hooks_change_what_passes() -> None:
    net = nn.Identity()
    seen = []
    handles = [
        net.register_forward_pre_hook(lambda module, args: (args[0] + 1,)),
        net.register_forward_pre_hook(lambda module, args: args[0] * 10),
        net.register_forward_hook(lambda module, args, result: seen.append((args[0], result))),
        net.register_forward_hook(lambda module, args, result: -result),
    ]
    assert net(2) == -30
    assert seen == [(30, 30)]
    handles[0].remove()
    handles[0].remove()
    assert net(2) == -20
    with net.register_forward_hook(lambda module, args, result: result - 1, prepend=True):
        assert net(2) == -19
    assert net(2) == -20


def test_hooks_with_keyword_arguments() -> None:
    class Scaled(nn.Module):
        def forward(self, x: int, *, by: int) -> int:
            return x * by

    net = Scaled()
    net.register_forward_pre_hook(lambda module, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True)
    net.register_forward_hook(lambda module, args, kwargs, result: (result, kwargs), with_kwargs=True)
    assert net(3, by=1) == (6, {"by": 2})
    with pytest.raises(NotYetError, match="always_call"):
        net.register_forward_hook(print, always_call=True)


# Modes ----------------------------------------------------------------------------------------------------------------


def test_train_and_eval_reach_all() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())
    with pytest.raises(ArgumentError):
        net.train("yes")  # type: ignore[arg-type]


def test_requires_grad_and_zero_grad() -> None:
    net = Net()
    net(cr.ones(2, 3)).sum().backward()
    gradient: Any = net.scale.grad
    net.zero_grad(set_to_none=False)
    assert gradient.tolist() == [0]
    assert net.scale.grad is gradient
    net.zero_grad()
    assert net.scale.grad is None
    assert net.requires_grad_(False) is net
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_apply_calls_children_first() -> None:
    seen: list[nn.Module] = []
    net = Net()
    assert net.apply(seen.append) is net
    assert seen == [net.hidden, net.out[0], net.out[1], net.out, net]


def test_to_converts_the_cells_in_place() -> None:
    net = Net()
    weight: Any = net.hidden.weight
    parameters = list(net.parameters())
    net(cr.ones(2, 3)).sum().backward()
    assert net.double() is net
    assert {x.dtype for x in parameters} == {cr.float64}
    assert weight.grad.dtype is cr.float64
    assert weight.is_leaf
    assert weight.requires_grad
    assert net.hidden.weight is weight
    assert (net.scratch.dtype, net.calls.dtype) == (cr.float64, cr.int64)
    assert net.to("cpu", cr.float32).scale.dtype is cr.float32
    assert net.to(cr.ones(1, dtype=cr.float64)).cpu().float().scale.dtype is cr.float32
    with pytest.raises(DTypeError):
        net.to(cr.int64)
    with pytest.raises(NotYetError):
        net.to("cuda")
    with pytest.raises(ArgumentError):
        net.to(wrong=3)


def test_every_write_counts() -> None:
    net = Net()
    writes: list[Callable[[], Any]] = [
        lambda: setattr(net, "rate", 3),
        lambda: delattr(net, "rate"),
        lambda: setattr(net, "scratch", cr.ones(2)),
        lambda: net.train(),
        lambda: net.eval(),
        lambda: net.register_buffer("new", None),
        lambda: net.register_parameter("free", None),
        lambda: net.add_module("more", nn.ReLU()),
        lambda: net.requires_grad_(False),
        lambda: net.double(),
        lambda: net.register_forward_hook(print).remove(),
        lambda: net.out.append(nn.ReLU()),
        lambda: net.out.__setitem__(0, nn.Tanh()),
        lambda: net.out.__delitem__(0),
        lambda: net.load_state_dict(net.state_dict(), assign=True),
    ]
    for write in writes:
        before = state.version()
        write()
        assert state.version() > before


def test_deepcopy_after_a_compiled_step_that_let_its_gradients_go() -> None:
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @cr.compile
    def step(x: cr.Tensor) -> Any:
        loss = model(x).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(cr.ones(3, 2))
    other = copy.deepcopy(model)
    assert other.weight.tolist() == model.weight.tolist()
    assert other.weight.grad is None


def test_deepcopy_shares_nothing() -> None:
    net = Net()
    net(cr.ones(2, 3)).sum().backward()
    other = copy.deepcopy(net)
    assert type(other) is Net
    assert other.again is other.hidden
    assert other.hidden.weight is not net.hidden.weight
    assert isinstance(other.hidden.weight, nn.Parameter)
    assert other.hidden.weight.tolist() == net.hidden.weight.tolist()
    with cr.no_grad():
        other.hidden.weight.zero_()
        other.calls.add_(1)
    assert net.hidden.weight.abs().sum() > 0
    assert net.calls.item() == 0
    other(cr.ones(2, 3)).sum().backward()
    assert other.hidden.weight.requires_grad


# Text -----------------------------------------------------------------------------------------------------------------


def test_text_counts_parameters() -> None:
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    net[2].bias.requires_grad_(False)
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(in_features=784, out_features=256, bias=True)  # 200,960 parameters\n"
        "  (1): ReLU()\n"
        "  (2): Linear(in_features=256, out_features=10, bias=True)  # 2,570 parameters, 10 of them frozen\n"
        ")\n"
        "# 203,530 parameters, 10 of them frozen"
    )
    assert repr(nn.Linear(2, 3).requires_grad_(False)).endswith("# 9 parameters, all frozen")
    assert repr(nn.ReLU(inplace=True)) == "ReLU(inplace=True)"
    assert repr(Net()).count("Linear(in_features=3, out_features=3, bias=True)  # 12 parameters") == 2
    assert repr(Net()).endswith("\n# 19 parameters")


def test_a_class_may_say_its_own_text() -> None:
    class Own(nn.Module):
        def extra_repr(self) -> str:
            return "first\nsecond"

    class Other(nn.Module):
        def __repr__(self) -> str:
            return "<other>"

    assert repr(nn.Sequential(Own(), Other())) == (
        "Sequential(\n  (0): Own(\n    first\n    second\n  )\n  (1): <other>\n)"
    )


def test_names_of_pytorch_that_are_missing_say_so() -> None:
    for module, name in ((nn, "Conv7d"), (nn.functional, "lineer"), (nn.init, "gauss_"), (nn.utils, "nothing")):
        with pytest.raises(AttributeError, match=name) as caught:
            getattr(module, name)
        assert not isinstance(caught.value, NotYetError)
    for module, name in ((nn, "MultiMarginLoss"), (nn.functional, "ctc_loss"), (nn.init, "sparse_"), (nn.utils, "rnn")):
        with pytest.raises(NotYetError, match=name):
            getattr(module, name)
