from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, InPlaceError, NotYetError, OutOfRangeError, ShapeError


def grid() -> cr.Tensor:
    x: cr.Tensor = cr.arange(6).reshape(2, 3)
    return x


def test_views_show_later_writes_to_their_base_and_carry_theirs_to_it() -> None:
    x = grid()
    row, flat, turned = x[0], x.view(-1), x.t()
    flat[2] = 9
    turned[0, 1] = 7
    assert row.tolist() == [0, 1, 9]
    assert x.tolist() == [[0, 1, 9], [7, 4, 5]]
    x.zero_()
    assert (row.tolist(), flat.tolist(), turned.tolist()) == ([0] * 3, [0] * 6, [[0, 0]] * 3)


def test_strides_are_pytorchs() -> None:
    x = grid()
    assert x.stride() == (3, 1)
    assert x.t().stride() == (1, 3)
    assert x[:, ::2].stride() == (3, 2)
    assert x[0].expand(4, 3).stride() == (0, 1)
    assert x.t().is_contiguous() is False
    assert x.t().contiguous().stride() == (2, 1)
    assert x.contiguous() is x


def test_view_raises_where_pytorch_would_have_to_copy_and_reshape_copies() -> None:
    x = grid()
    with pytest.raises(ShapeError, match=r"strides \(1, 3\).*x\.reshape"):
        x.t().view(6)
    copy = x.t().reshape(6)
    copy.zero_()
    assert x.sum().item() == 15


def test_lengths_are_inferred() -> None:
    x = grid()
    assert x.view(3, -1).shape == (3, 2)
    assert x.reshape(-1).shape == (6,)
    assert x.unflatten(1, (3, -1)).shape == (2, 3, 1)
    assert isinstance(x.shape, cr.Size)
    assert x.shape.numel() == 6
    assert repr(x.shape) == "chainrule.Size([2, 3])"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("x.view(4)", r"6 elements, \[4\] has 4"),
        ("x.view(-1, -1)", "only one length can be -1"),
        ("x.view(-1, 4)", "no length fits"),
        ("x.view(-2, 3)", "negative"),
        ("x.expand(2, 4)", "only dimensions of length 1"),
        ("x.expand(3)", "a length for each"),
        ("x.permute(0)", "each of the 2 dimensions"),
        ("x.permute(0, 0)", "once"),
        ("x.squeeze(2)", "does not exist"),
        ("x.unsqueeze(4)", "does not exist"),
        ("x[None].t()", "at most 2"),
        ("x.split([1, 1], 1)", "add up to 3"),
        ("x.chunk(0)", "at least 1 part"),
        ("x.narrow(1, 2, 2)", "leave dimension 1"),
        ("x.select(0, 2)", "out of range"),
        ("cr.cat([])", "none was given"),
        ("cr.cat([x, x[0]])", "may differ in dimension 0 only"),
        ("cr.cat(x)", "list or tuple"),
        ("cr.cat([x, 1])", "must be a Tensor, this one is int"),
        ("cr.stack([x, x[0]])", "one shape"),
        ("x.repeat(2)", "a number for each"),
        ("x.flip(5)", "does not exist"),
        ("x.roll((1, 2), 0)", "a shift is needed for each"),
        ("cr.meshgrid(x)", "vectors"),
        ("x.view('float')", "not there yet"),
        ("x.reshape(2.0)", "must be an int"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    with pytest.raises((ShapeError, ArgumentError, OutOfRangeError, NotYetError, TypeError), match=message):
        eval(expression, {"x": grid(), "cr": cr})


def test_an_expanded_tensor_cannot_be_written_but_one_that_repeats_nothing_can() -> None:
    x = cr.zeros(1, 3)
    with pytest.raises(InPlaceError, match=r"expand.*clone"):
        x.expand(2, 3).add_(1)
    x.expand(1, 3).add_(1)
    assert x.tolist() == [[1, 1, 1]]


def test_one_of_several_views_can_be_written_in_a_tape() -> None:
    leaf = cr.ones(4, requires_grad=True)
    x = leaf * 2
    first, second = x.split(2)
    second.mul_(3)
    (x * x).sum().backward()
    assert x.tolist() == [2, 2, 6, 6]
    assert first.tolist() == [2, 2]
    assert leaf.grad.tolist() == [8, 8, 72, 72]


def test_a_joined_tensor_is_another_one() -> None:
    x = cr.ones(2, requires_grad=True)
    joined = cr.cat([x])
    (gradient,) = cr.autograd.grad((joined * 2 + x * 3).sum(), joined)
    assert gradient.tolist() == [2, 2]


def test_diagonals_are_views() -> None:
    x = cr.zeros(2, 3)
    x.diagonal(1).fill_(5)
    assert x.tolist() == [[0, 5, 0], [0, 0, 5]]
    assert cr.diag(cr.tensor([1, 2]), 1).tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
