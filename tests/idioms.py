"""In-place idioms of PyTorch scripts, as programs that run under either library.

Each is exec'ed with `lib` (torch or chainrule) and `nn`; what it leaves in `result` is compared. `expected` was
computed by PyTorch 2.13 (tests/oracle/test_idioms.py computes it again); RAISES means that PyTorch raises.
"""

from __future__ import annotations

from typing import Any, NamedTuple

RAISES = "raises"

SETUP = """
w = lib.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
x = lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
layer = nn.Linear(2, 2)
with lib.no_grad():
    layer.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))
    layer.bias.zero_()
"""


class Idiom(NamedTuple):
    """A program and what PyTorch makes of it."""

    name: str
    source: str
    expected: Any
    may_raise: bool = False  # chainrule may raise InPlaceError or NotYetError where PyTorch carries on


IDIOMS = [
    Idiom("data_mul", "w.data.mul_(2)\nresult = w", [[2, -4], [6, 8]]),
    Idiom("data_assigned", "w.data = lib.ones(2, 2)\nresult = w", [[1, 1], [1, 1]]),
    Idiom("data_item_assigned", "w.data[0] = 7.0\nresult = w", [[7, 7], [3, 4]]),
    Idiom("data_slice_added", "w.data[:, 1] += 1\nresult = w", [[1, -1], [3, 5]]),
    Idiom("no_grad_row_fill", "with lib.no_grad():\n    w[0].fill_(5)\nresult = w", [[5, 5], [3, 4]]),
    Idiom("row_fill_of_a_leaf", "w[0].fill_(5)\nresult = w", RAISES),
    Idiom("leaf_added", "w += 1\nresult = w", RAISES),
    Idiom("no_grad_leaf_added", "with lib.no_grad():\n    w += 1\nresult = w", [[2, -1], [4, 5]]),
    Idiom(
        "no_grad_sub_grad",
        "(w * w).sum().backward()\nwith lib.no_grad():\n    w -= 0.5 * w.grad\nresult = w",
        [[0, 0], [0, 0]],
    ),
    Idiom("embedding_row", "e = nn.Embedding(3, 2)\ne.weight.data[0].fill_(0)\nresult = e.weight[0]", [0, 0]),
    Idiom("grad_data_clamp", "(w * 5).sum().backward()\nw.grad.data.clamp_(-1, 1)\nresult = w.grad", [[1, 1], [1, 1]]),
    Idiom("grad_mul", "(w * 5).sum().backward()\nw.grad.mul_(2)\nresult = w.grad", [[10, 10], [10, 10]]),
    Idiom("grad_augmented", "(w * 5).sum().backward()\nw.grad *= 2\nresult = w.grad", [[10, 10], [10, 10]]),
    Idiom("grad_zero", "(w * 5).sum().backward()\ng = w.grad\nw.grad.zero_()\nresult = g", [[0, 0], [0, 0]]),
    Idiom(
        "grad_accumulates_in_place", "w.sum().backward()\ng = w.grad\nw.sum().backward()\nresult = g", [[2, 2], [2, 2]]
    ),
    Idiom(
        "grad_alias_after_zero_grad",
        "layer(x[:, :2]).sum().backward()\nlayer.zero_grad()\nresult = lib.tensor(float(layer.weight.grad is None))",
        1,
    ),
    Idiom(
        "target_copy",
        "t = nn.Linear(2, 2)\nt.weight.data.copy_(layer.weight.data)\nresult = t.weight",
        [[1, 2], [3, 4]],
    ),
    Idiom(
        "polyak",
        "t = nn.Linear(2, 2)\nt.load_state_dict(layer.state_dict())\n"
        "for a, b in zip(t.parameters(), layer.parameters()):\n    a.data.mul_(0.5).add_(b.data, alpha=1.5)\n"
        "result = t.weight",
        [[2, 4], [6, 8]],
    ),
    Idiom("state_dict_written", "layer.state_dict()['weight'].fill_(3)\nresult = layer.weight", [[3, 3], [3, 3]]),
    Idiom("view_item", "y = x.view(-1)\ny[0] = 9\nresult = x", [[9, 2, 3], [4, 5, 6]]),
    Idiom("base_seen_by_view", "y = x.view(-1)\nx[1, 2] = 9\nresult = y", [1, 2, 3, 4, 5, 9]),
    Idiom("transpose_item", "x.t()[2, 1] = 9\nresult = x", [[1, 2, 3], [4, 5, 9]]),
    Idiom("row_of_column", "x[:, 1][0] = 9\nresult = x", [[1, 9, 3], [4, 5, 6]]),
    Idiom("reshape_of_transpose_copies", "y = x.t().reshape(-1)\ny[0] = 9\nresult = x", [[1, 2, 3], [4, 5, 6]]),
    Idiom("view_of_transpose", "x.t().view(-1)", RAISES),
    Idiom("chunk_written", "a, b = x.chunk(2)\nb.zero_()\nresult = x", [[1, 2, 3], [0, 0, 0]]),
    Idiom("split_written", "x.split(1, dim=1)[2].fill_(0)\nresult = x", [[1, 2, 0], [4, 5, 0]]),
    Idiom("unbind_written", "for row in x.unbind(0):\n    row.mul_(2)\nresult = x", [[2, 4, 6], [8, 10, 12]]),
    Idiom("iterated_rows", "for row in x:\n    row += 1\nresult = x", [[2, 3, 4], [5, 6, 7]]),
    Idiom("squeezed", "x.unsqueeze(0).squeeze(0)[0, 0] = 9\nresult = x", [[9, 2, 3], [4, 5, 6]]),
    Idiom("flattened", "x.flatten()[5] = 9\nresult = x", [[1, 2, 3], [4, 5, 9]]),
    Idiom("narrowed", "x.narrow(1, 1, 2).zero_()\nresult = x", [[1, 0, 0], [4, 0, 0]]),
    Idiom("expanded", "y = lib.zeros(1, 2).expand(3, 2)\ny[0, 0] = 1\nresult = y", [[1, 0], [1, 0], [1, 0]], True),
    Idiom("expanded_add", "y = lib.zeros(1, 2).expand(3, 2)\ny.add_(1)\nresult = y", RAISES),
    Idiom("advanced_index_copies", "x[[0, 1]].zero_()\nresult = x", [[1, 2, 3], [4, 5, 6]]),
    Idiom("advanced_index_assigned", "x[[0, 1], [2, 0]] = 0\nresult = x", [[1, 2, 0], [0, 5, 6]]),
    Idiom("advanced_index_added", "x[[0, 0]] += 1\nresult = x", [[2, 3, 4], [4, 5, 6]]),
    Idiom("mask_assigned", "x[x > 3] = 0\nresult = x", [[1, 2, 3], [0, 0, 0]]),
    Idiom("masked_fill", "x.masked_fill_(x > 3, -1)\nresult = x", [[1, 2, 3], [-1, -1, -1]]),
    Idiom("slice_assigned_from_slice", "x[:, 1:] = x[:, :2].clone()\nresult = x", [[1, 1, 2], [4, 4, 5]]),
    Idiom("detach_written", "y = x * 1\ny.detach().zero_()\nresult = y", [[0, 0, 0], [0, 0, 0]]),
    Idiom("detach_of_a_result_written", "y = w * 2\ny.detach().zero_()\nresult = y", [[0, 0], [0, 0]], True),
    Idiom("clone_written", "y = x.clone()\ny.zero_()\nresult = x", [[1, 2, 3], [4, 5, 6]]),
    Idiom("to_same_is_itself", "x.to(lib.float32).zero_()\nresult = x", [[0, 0, 0], [0, 0, 0]]),
    Idiom("float_of_double_copies", "y = x.double()\ny.zero_()\nresult = x", [[1, 2, 3], [4, 5, 6]]),
    Idiom("contiguous_is_itself", "x.contiguous().zero_()\nresult = x", [[0, 0, 0], [0, 0, 0]]),
    Idiom("contiguous_of_transpose_copies", "x.t().contiguous().zero_()\nresult = x", [[1, 2, 3], [4, 5, 6]]),
    Idiom("alias_sees_write", "y = x\ny.add_(1)\nresult = x", [[2, 3, 4], [5, 6, 7]]),
    Idiom("relu_in_place", "y = x - 3\nnn.functional.relu(y, inplace=True)\nresult = y", [[0, 0, 0], [1, 2, 3]]),
    Idiom("int_gets_float", "n = lib.tensor([1, 2])\nn.add_(0.5)\nresult = n", RAISES),
    Idiom("int_gets_int", "n = lib.tensor([1, 2])\nn.mul_(3)\nresult = n", [3, 6]),
    Idiom("broadcast_grows", "a = lib.ones(2)\na.add_(lib.ones(3, 2))\nresult = a", RAISES),
    Idiom("fill_diagonal", "x.fill_diagonal_(0)\nresult = x", [[0, 2, 3], [4, 0, 6]], True),
    Idiom(
        "gradient_through_a_write",
        "y = lib.zeros(3)\ny[1] = w[0, 0] * 2\ny[2] = w[1, 1]\n(y * y).sum().backward()\nresult = w.grad",
        [[8, 0], [0, 8]],
    ),
    Idiom(
        "gradient_through_a_view_write",
        "y = w * 1\ny.view(-1)[0] = 5.0\ny.sum().backward()\nresult = w.grad",
        [[0, 1], [1, 1]],
    ),
    Idiom(
        "requires_grad_of_a_copy",
        "y = w.detach().clone().requires_grad_()\ny.data.zero_()\nresult = w",
        [[1, -2], [3, 4]],
    ),
    Idiom("bias_data_fill", "layer.bias.data.fill_(0.25)\nresult = layer.bias", [0.25, 0.25]),
    Idiom("init_in_place", "nn.init.constant_(layer.weight, 2.0)\nresult = layer.weight", [[2, 2], [2, 2]]),
    Idiom(
        "weight_tying",
        "other = nn.Linear(2, 2)\nother.weight = layer.weight\nwith lib.no_grad():\n    other.weight.zero_()\n"
        "result = layer.weight",
        [[0, 0], [0, 0]],
    ),
    Idiom("numpy_bridge", "a = x.numpy()\na[0, 0] = 9\nresult = x", [[9, 2, 3], [4, 5, 6]], True),
]
