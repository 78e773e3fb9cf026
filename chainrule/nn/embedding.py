"""Embedding: a table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

from chainrule.ir import state
from chainrule.ir.errors import NotYetError, ShapeError
from chainrule.nn import init
from chainrule.nn.empty import empty
from chainrule.nn.functional.lookup import embedding, row_number
from chainrule.nn.module import Module
from chainrule.tensor import Parameter, Tensor


class Embedding(Module):
    """The rows of a table: indices (*) of any integer type -> (*, embedding_dim).

    `weight` (num_embeddings, embedding_dim) begins standard normal. The row `padding_idx` begins as zero and gets no
    gradient. Raises OutOfRangeError for an index outside the table.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if max_norm is not None or scale_grad_by_freq:
            raise NotYetError("Embedding: max_norm and scale_grad_by_freq are not available yet.")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else row_number(padding_idx, num_embeddings)
        self.sparse = sparse
        shape = (num_embeddings, embedding_dim)
        if _weight is not None and _weight.shape != shape:
            raise ShapeError(f"Embedding: the weight must have shape {list(shape)}, it is {_weight.read().type}.")
        self.weight = Parameter(empty(shape, device, dtype) if _weight is None else _weight, requires_grad=not _freeze)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the table anew, and makes the padding row zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with state.using(state.gradients_enabled, False):
                self.weight[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding on a table that is there; with `freeze` it is not trained."""
        if len(embeddings.shape) != 2:
            raise ShapeError(f"Embedding: a table (rows, width) is needed, not {embeddings.read().type}.")
        rows, width = embeddings.shape
        return cls(
            rows,
            width,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def forward(self, input: Tensor) -> Tensor:
        return embedding(input, self.weight, self.padding_idx)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{', sparse=True' if self.sparse else ''}"
