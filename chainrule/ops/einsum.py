"""einsum: sums of products named by the letters of their axes, in matmul, mul and sum."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chainrule.ir.errors import ArgumentError, NotYetError, ShapeError
from chainrule.ir.value import Carrier
from chainrule.ops.contraction import matmul
from chainrule.ops.elementwise import mul
from chainrule.ops.movement import slice_axis
from chainrule.ops.reduction import sum_

Labels = tuple[str, ...]  # one per axis: a letter, or "...1" for the last axis under an ellipsis, "...2" before it

_TERM = re.compile(r"([A-Za-z]*)(\.\.\.)?([A-Za-z]*)")


class Named(NamedTuple):
    """A carrier whose axes have names, each of them once."""

    carrier: Carrier
    labels: Labels

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each axis."""
        return dict(zip(self.labels, self.carrier.shape, strict=True))


def einsum(equation: str, *operands: Carrier) -> Carrier:
    """The sum of products that `equation` names, e.g. "bij,bjk->bik" or "...i,i"; PyTorch's torch.einsum.

    Operands are contracted from left to right. A letter that is twice in one term takes the diagonal. Without "->",
    the result has the axes of the ellipsis and then the letters that occur once, in alphabetical order. An axis of
    length 1 broadcasts. ArgumentError for an equation that is none, ShapeError where the operands do not fit it.
    """
    if not isinstance(equation, str):
        raise NotYetError("einsum: lists of axis numbers are not supported yet; write an equation such as 'ij,jk->ik'.")
    terms, output = _labels_of(equation, operands)
    _check_sizes(equation, operands, terms)
    named = [_diagonal(operand, labels) for operand, labels in zip(operands, terms, strict=True)]
    result = named[0]
    for position, other in enumerate(named[1:], start=2):
        later = {label for term in terms[position:] for label in term}
        result = _contract(result, other, later.union(output))
    return _arranged(_summed(result, output), output)


# The equation ---------------------------------------------------------------------------------------------------------


def _labels_of(equation: str, operands: Sequence[Carrier]) -> tuple[list[Labels], Labels]:
    """The labels of each operand's axes and of the result's."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(operands):
        raise ArgumentError(f"einsum: '{equation}' names {len(texts)} operands, {len(operands)} were given.")
    terms = [_operand_labels(equation, text, operand) for text, operand in zip(texts, operands, strict=True)]
    known = [label for labels in terms for label in labels]
    dots = sorted({label for label in known if label.startswith("...")}, key=_place, reverse=True)
    if arrow:
        output = _expanded(equation, right, tuple(dots))
    else:
        output = (*dots, *sorted(label for label in known if len(label) == 1 and known.count(label) == 1))
    for label in output:
        if output.count(label) > 1 or label not in known:
            problem = "is there twice" if output.count(label) > 1 else "is in no operand"
            raise ArgumentError(f"einsum: '{label}' in the result of '{equation}' {problem}.")
    return terms, output


def _place(label: str) -> int:
    return int(label.removeprefix("..."))


def _operand_labels(equation: str, text: str, operand: Carrier) -> Labels:
    letters = len(text.replace("...", ""))
    hidden = len(operand.shape) - letters
    labels = _expanded(equation, text, tuple(f"...{place}" for place in range(hidden, 0, -1)))
    if len(labels) != len(operand.shape):
        raise ShapeError(
            f"einsum: '{text}' of '{equation}' names {letters} dimensions, its operand {operand.type} has "
            f"{len(operand.shape)}."
        )
    return labels


def _expanded(equation: str, text: str, dots: Labels) -> Labels:
    match = _TERM.fullmatch(text)
    if match is None:
        raise ArgumentError(
            f"einsum: '{text}' of '{equation}' is not understood: a term has letters, one per dimension, and at most "
            "one '...'."
        )
    before, ellipsis, after = match.groups()
    return (*before, *(dots if ellipsis else ()), *after)


def _check_sizes(equation: str, operands: Sequence[Carrier], terms: Sequence[Labels]) -> None:
    sizes: dict[str, int] = {}
    for operand, labels in zip(operands, terms, strict=True):
        for label, size in zip(labels, operand.shape, strict=True):
            known = sizes.get(label, 1)
            if known != size and 1 not in (known, size):
                name = "..." if label.startswith("...") else label
                shown = ", ".join(str(operand.type) for operand in operands)
                raise ShapeError(
                    f"einsum: '{name}' of '{equation}' has lengths {known} and {size} in {shown}; "
                    "they must be equal, or one of them 1."
                )
            sizes[label] = size if known == 1 else known


# The contraction ------------------------------------------------------------------------------------------------------


def _diagonal(operand: Carrier, labels: Labels) -> Named:
    """The operand with each label once: where one is repeated, the elements at which its axes have one index."""
    for label in labels:
        if labels.count(label) == 1:
            continue
        first, second = [axis for axis, each in enumerate(labels) if each == label][:2]
        n = operand.shape[first]
        if operand.shape[second] != n:
            raise ShapeError(
                f"einsum: '{label}' is twice in a term, so {operand.type} must be as long in both dimensions."
            )
        rest = [axis for axis in range(len(labels)) if axis not in (first, second)]
        front = operand.permute((first, second, *rest))
        flat = front.reshape((n * n, *front.shape[2:]))
        # the diagonal lies n + 1 apart
        return _diagonal(slice_axis(flat, 0, 0, n * n, n + 1), (label, *(labels[axis] for axis in rest)))
    return Named(operand, labels)


def _contract(a: Named, b: Named, wanted: set[str]) -> Named:
    """The product of a and b, summed over the labels that are in neither the result nor a later operand."""
    a, b = _without_broadcast(a, b), _without_broadcast(b, a)
    a, b = _summed(a, wanted.union(b.labels)), _summed(b, wanted.union(a.labels))
    batch = tuple(label for label in a.labels if label in b.labels and label in wanted)
    inner = tuple(label for label in a.labels if label in b.labels and label not in wanted)
    left = tuple(label for label in a.labels if label not in b.labels)
    right = tuple(label for label in b.labels if label not in a.labels)
    lengths = a.sizes | b.sizes
    x = _grouped(a, batch, left, inner)  # (*batch, left, inner)
    w = _grouped(b, batch, inner, right)  # (*batch, inner, right)
    product = matmul(x, w) if inner else mul(x, w)  # with nothing to sum, inner has length 1: an outer product
    result = (*batch, *left, *right)
    return Named(product.reshape(tuple(lengths[label] for label in result)), result)


def _grouped(x: Named, batch: Labels, rows: Labels, columns: Labels) -> Carrier:
    """x as a batch of matrices: several axes are one row index, several one column index."""
    arranged = _arranged(x, (*batch, *rows, *columns))
    sizes = x.sizes
    lengths = [math.prod(sizes[label] for label in group) for group in (rows, columns)]
    return arranged.reshape((*(sizes[label] for label in batch), *lengths))


def _without_broadcast(x: Named, other: Named) -> Named:
    """x without the axes of length 1 that the other has longer."""
    sizes, others = x.sizes, other.sizes
    labels = tuple(label for label in x.labels if not (sizes[label] == 1 != others.get(label, 1)))
    return Named(x.carrier.reshape(tuple(sizes[label] for label in labels)), labels)


def _summed(x: Named, wanted: Iterable[str]) -> Named:
    """x summed over the labels that are not wanted."""
    axes = tuple(axis for axis, label in enumerate(x.labels) if label not in wanted)
    return Named(sum_(x.carrier, axes), tuple(label for label in x.labels if label in wanted)) if axes else x


def _arranged(x: Named, labels: Labels) -> Carrier:
    """x with its axes in the order of the labels."""
    return x.carrier.permute(tuple(x.labels.index(label) for label in labels))
