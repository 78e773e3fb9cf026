"""Thirty of the random programs of `make fuzz`, and that it would notice a wrong one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.backends.native.agreement import THREADS, Disagreement, Sample, compare, sample
from tools.fuzz import attempt

NODES = 200


@pytest.mark.parametrize("seed", range(50))
def test_a_random_program_natively(seed: int) -> None:
    count, wrong = attempt(seed, NODES)
    assert not wrong
    assert 0 < count <= NODES


def test_all_numbers_of_threads_are_tried() -> None:
    assert THREADS == (1, 2, 3, 4)


@pytest.fixture(scope="module")
def given() -> Sample:
    return sample(4, 8)


def test_the_reference_agrees_with_itself(given: Sample) -> None:
    compare(given, given.found)


def test_one_wrong_element_is_noticed(given: Sample) -> None:
    for k, result in enumerate(given.found):
        if result.size == 0:
            continue
        wrong = [array.copy() for array in given.found]
        if result.dtype.kind == "f":
            wrong[k].flat[-1] += 1e-3 * max(1e-3, float(np.abs(result).max()))
        else:
            wrong[k].flat[-1] ^= True
        with pytest.raises(Disagreement, match=f"output {k}"):
            compare(given, wrong)


def test_another_type_or_shape_is_noticed(given: Sample) -> None:
    first, *others = given.found
    for changed in (first.astype(np.float16), first[None]):
        with pytest.raises(Disagreement):
            compare(given, [changed, *others])


def test_float64_says_how_far_the_reference_is_off() -> None:
    """The bound of a float32 program rests on the same program in float64: integers and draws are the same there."""
    for seed in range(12):
        one = sample(seed, 10)
        assert one.wide is not None
        for narrow, wide in zip(one.found, one.exact, strict=True):
            assert narrow.shape == wide.shape
            if narrow.dtype.kind != "f":
                np.testing.assert_array_equal(narrow, wide)
        assert dataclasses.replace(one, wide=None).exact is not one.exact
