"""State dicts: what is in them, and loading, which writes all or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import NotYetError, StateDictError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def arrays(module: nn.Module) -> dict[str, Any]:
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


def test_values_are_the_modules_own_detached() -> None:
    module = net()
    found = module.state_dict()
    assert list(found)[:3] == ["0.weight", "0.bias", "1.weight"]
    assert not found["0.weight"].requires_grad
    found["0.weight"].zero_()
    assert module[0].weight.abs().sum() == 0
    assert module.state_dict(keep_vars=True)["0.weight"] is module[0].weight
    assert list(module[0].state_dict(prefix="a.")) == ["a.weight", "a.bias"]
    there: dict[str, Any] = {"x": 1}
    assert module[0].state_dict(destination=there) is there
    assert list(there) == ["x", "weight", "bias"]


@pytest.mark.parametrize("kind", ["tensors", "arrays", "lists", "doubles"])
def test_loading_copies_into_the_cells(kind: str) -> None:
    source, module = net(), net()
    source.train()(cr.ones(4, 3) * cr.arange(4).view(4, 1))
    given: dict[str, Any] = source.state_dict() if kind == "tensors" else arrays(source)
    if kind == "lists":
        given = {name: array.tolist() for name, array in given.items()}
    if kind == "doubles":
        given = {name: array.astype(np.float64) for name, array in given.items()}
    cells = dict(module.state_dict(keep_vars=True))
    result = module.load_state_dict(given)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    assert str(result) == "<All keys matched successfully>"
    for name, cell in module.state_dict(keep_vars=True).items():
        assert cell is cells[name]
        np.testing.assert_array_equal(cell.detach().numpy(), source.state_dict()[name].numpy())
    assert module[0].weight.requires_grad
    assert module[0].weight.is_leaf
    with cr.no_grad():
        source[0].weight.zero_()
    assert module[0].weight.abs().sum() > 0


def test_what_does_not_fit_is_reported_at_once_and_nothing_is_written() -> None:
    module = net()
    before = arrays(module)
    given = {name: array * 0 - 1 for name, array in before.items()}
    del given["0.bias"], given["1.running_var"]
    given["head.weight"] = np.zeros(3)
    given["0.weight"] = np.zeros((3, 2))
    with pytest.raises(StateDictError) as caught:
        module.load_state_dict(given)
    text = str(caught.value)
    assert "0.bias f32[2]" in text
    assert "1.running_var f32[2]" in text
    assert "head.weight" in text
    assert "0.weight: the module has f32[2, 3], the state dict [3, 2] (transposed?)" in text
    with pytest.raises(KeyError):
        module.load_state_dict({})
    for name, array in arrays(module).items():
        np.testing.assert_array_equal(array, before[name])


def test_without_strict_names_are_returned_but_shapes_must_fit() -> None:
    module = net()
    result = module.load_state_dict({"0.bias": [1.0, 2.0], "other": 3}, strict=False)
    assert result.missing_keys == [
        name for name in module.state_dict() if name not in ("0.bias", "1.num_batches_tracked")
    ]
    assert result.unexpected_keys == ["other"]
    assert module[0].bias.tolist() == [1, 2]
    with pytest.raises(StateDictError, match="Wrong shape"):
        module.load_state_dict({"0.bias": [1.0, 2.0, 3.0]}, strict=False)
    with pytest.raises(StateDictError, match="no array"):
        module.load_state_dict({"0.bias": "x"}, strict=False)
    with pytest.raises(StateDictError, match="a dict"):
        module.load_state_dict([1, 2])  # type: ignore[arg-type]


def test_a_common_prefix_is_recognised() -> None:
    module = net()
    with pytest.raises(StateDictError, match=r"removeprefix\('module\.'\)"):
        module.load_state_dict({f"module.{name}": array for name, array in arrays(module).items()})


def test_assign_takes_the_tensors_types() -> None:
    module = net()
    old = module[0].weight
    module[0].bias.requires_grad_(False)
    module.load_state_dict({name: array.astype(np.float64) for name, array in arrays(module).items()}, assign=True)
    assert module[0].weight is not old
    assert module[0].weight.dtype is cr.float64
    assert isinstance(module[0].weight, nn.Parameter)
    assert (module[0].weight.requires_grad, module[0].bias.requires_grad) == (True, False)
    assert isinstance(module[1].running_mean, nn.Buffer)


def test_assign_refuses_an_element_type_that_there_is_not() -> None:
    module = net()
    halves = {name: array.astype(np.float16) for name, array in arrays(module).items()}
    with pytest.raises(StateDictError, match="float16"):
        module.load_state_dict(halves, assign=True)
    module.load_state_dict(halves)
    assert module[0].weight.dtype is cr.float32


def test_values_may_be_exchanged() -> None:
    module = nn.ParameterList([cr.ones(1), cr.zeros(1)])
    own = module.state_dict()
    module.load_state_dict({"0": own["1"], "1": own["0"]})
    assert [p.item() for p in module] == [0, 1]


def test_the_count_of_batches_may_be_missing() -> None:
    module = net()
    given = {name: array for name, array in arrays(module).items() if name != "1.num_batches_tracked"}
    assert module.load_state_dict(given).missing_keys == []


def test_an_overridden_private_protocol_is_refused() -> None:
    class Renaming(nn.Linear):
        def _load_from_state_dict(self, *args: Any) -> None:
            pass

    with pytest.raises(NotYetError, match="_load_from_state_dict"):
        nn.Sequential(Renaming(1, 1)).load_state_dict({})


def test_extra_state() -> None:
    class Vocabulary(nn.Module):
        words = ("a",)

        def get_extra_state(self) -> Any:
            return self.words

        def set_extra_state(self, state: Any) -> None:
            self.words = state

    source, module = nn.Sequential(Vocabulary()), nn.Sequential(Vocabulary())
    source[0].words = ("a", "b")
    assert source.state_dict() == {"0._extra_state": ("a", "b")}
    both = nn.Sequential(source[0], nn.ReLU(), nn.Linear(1, 1))
    assert list(both.state_dict()) == ["0._extra_state", "2.weight", "2.bias"]
    module.load_state_dict(source.state_dict())
    assert module[0].words == ("a", "b")
    with pytest.raises(StateDictError, match="_extra_state"):
        module.load_state_dict({})
