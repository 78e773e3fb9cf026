from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import DataLoader, default_collate, default_convert
from chainrule.errors import ArgumentError, DTypeError, ShapeError

Point = namedtuple("Point", ["x", "y"])


def test_collated_types() -> None:
    assert default_collate([1, 2]).dtype.name == "int64"
    assert default_collate([1.0, 2]).dtype.name == "float64"
    assert default_collate([1, 2.5]).dtype.name == "float32"
    assert default_collate([True, False]).dtype.name == "bool"
    assert default_collate([np.float32(1), np.float32(2)]).dtype.name == "float32"
    assert default_collate([np.zeros(2, np.uint8)] * 3).read().type == cr.zeros(3, 2, dtype=cr.uint8).read().type
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([cr.zeros(2), cr.zeros(2, dtype=cr.float64)]).dtype.name == "float64"


def test_collated_containers() -> None:
    x, (name, flags) = default_collate([(1, ("a", [True])), (2, ("b", [False]))])
    assert x.tolist() == [1, 2]
    assert name == ("a", "b")
    assert flags[0].tolist() == [True, False]
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(point, Point)
    assert point.y.tolist() == [2.0, 4.0]
    mapping = default_collate([OrderedDict(a=np.ones(2)), OrderedDict(a=np.zeros(2))])
    assert isinstance(mapping, OrderedDict)
    assert mapping["a"].tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([np.zeros(2), np.zeros(2), np.zeros(3)], ShapeError, r"sample 2 is f64\[3\], sample 0 is f64\[2\]"),
        ([{"x": (0, np.zeros(2))}, {"x": (0, np.zeros(3))}], ShapeError, r"sample 1, entry \['x'\]\[1\] is f64\[3\]"),
        ([cr.zeros(2), cr.zeros(3)], ShapeError, r"sample 1 is f32\[3\]"),
        ([(1, 2), (1,)], ShapeError, "sample 1 has 1 entries, sample 0 has 2"),
        ([{"a": 1}, {"b": 1}], ArgumentError, "sample 1 has no 'a'"),
        ([None], DTypeError, "must be tensors, NumPy arrays, numbers, .* not NoneType; pass collate_fn"),
        ([(1, object())], DTypeError, r"samples, entry \[1\] must be"),
        ([np.array(["a"])], DTypeError, "not supported"),
        ([cr.zeros(2), 1.0], DTypeError, "a sample is a float, sample 0 a Tensor"),
        ([], ArgumentError, "there are no samples"),
    ],
    ids=range(10),
)
def test_samples_that_do_not_fit_together_are_named(batch: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        default_collate(batch)


def test_without_batches_samples_come_one_by_one() -> None:
    loader = DataLoader([{"x": np.ones(2), "name": "a", "n": (np.float32(1),)}, "b"], batch_size=None)
    sample, text = list(loader)
    assert isinstance(sample["x"], cr.Tensor)
    assert sample["name"] == "a"
    assert sample["n"][0].dtype.name == "float32"
    assert text == "b"
    assert len(loader) == 2
    assert default_convert(3) == 3
