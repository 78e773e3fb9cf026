"""How a module shows itself: PyTorch's layout, with the number of parameters of every layer and of the whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chainrule.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.nn.module import Module


def shown(module: Module) -> str:
    """The text of `repr(module)`: the layers, and in the last line the sum of their parameters."""
    total = counted(module.parameters())
    text = layout(module)
    return text if not total or "\n" not in text else f"{text}\n# {total}"


def counted(parameters: Iterable[Tensor]) -> str:
    """Like `1,234 parameters, 34 of them frozen`; "" if there are none."""
    sizes = [(parameter.shape.numel(), parameter.requires_grad) for parameter in parameters]
    total, frozen = sum(size for size, _ in sizes), sum(size for size, trained in sizes if not trained)
    if not total:
        return ""
    text = f"{total:,} parameter{'s' if total != 1 else ''}"
    return f"{text}, {f'{frozen:,} of them' if frozen < total else 'all'} frozen" if frozen else text


def layout(module: Module) -> str:
    """The layers below each other; behind each that has parameters of its own, their number."""
    extra = module.extra_repr().split("\n") if module.extra_repr() else []
    children = module._child_lines()
    name, own = module._get_name(), counted(module.parameters(recurse=False))
    note = f"  # {own}" if own else ""
    if not children and len(extra) <= 1:
        return f"{name}({''.join(extra)}){note}"
    lines = [line for text in extra + children for line in text.split("\n")]
    return f"{name}(\n" + "\n".join(f"  {line}" for line in lines) + f"\n){note}"
