"""What scripts ask about other devices is answered; what would use one is an error that names it."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, NotYetError


def test_there_is_no_gpu_and_asking_is_no_error() -> None:
    assert not cr.cuda.is_available()
    assert not cr.cuda.is_initialized()
    assert not cr.accelerator.is_available()
    assert cr.accelerator.current_accelerator() is None
    assert not cr.backends.mps.is_available()
    assert not cr.backends.mps.is_built()
    assert not cr.backends.cudnn.is_available()
    assert cr.backends.cudnn.version() is None
    assert cr.cuda.device_count() == cr.accelerator.device_count() == 0


def test_seeding_it_and_clearing_it_do_nothing() -> None:
    cr.manual_seed(3)
    cr.cuda.manual_seed(1)
    cr.cuda.manual_seed_all(1)
    cr.cuda.empty_cache()
    assert cr.initial_seed() == 3


@pytest.mark.parametrize(
    ("module", "name"),
    [(cr.cuda, "synchronize"), (cr.cuda, "amp"), (cr.accelerator, "set_device_index"), (cr.backends, "mkldnn")],
)
def test_what_would_use_one_is_not_there_yet(module: Any, name: str) -> None:
    with pytest.raises(NotYetError, match=name):
        getattr(module, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        module.nonsense  # noqa: B018 (reading it is the point)


def test_switches_between_speed_and_exactness_have_no_effect() -> None:
    cr.use_deterministic_algorithms(True)
    cr.set_float32_matmul_precision("high")
    assert cr.are_deterministic_algorithms_enabled()
    assert cr.get_float32_matmul_precision() == "highest"
    with pytest.raises(ArgumentError, match="one of"):
        cr.set_float32_matmul_precision("low")


@pytest.mark.parametrize("given", [1.5, "a", None])
def test_old_constructors_take_data_or_sizes(given: Any) -> None:
    with pytest.raises(ArgumentError, match=r"chainrule.tensor\(...\)"):
        cr.LongTensor(given)
