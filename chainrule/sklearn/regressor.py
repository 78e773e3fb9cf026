"""NetRegressor: a network that predicts numbers."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin

from chainrule.sklearn.base import Net
from chainrule.sklearn.inputs import Array
from chainrule.sklearn.parameters import documented
from chainrule.sklearn.rows import Rows
from chainrule.sklearn.scaling import Scaling


@documented
class NetRegressor(RegressorMixin, Net):  # type: ignore[misc]
    """A network that predicts numbers, one or several for each row, as a scikit-learn estimator.

    Trained by `chainrule.fit` with the defaults of `chainrule train`: the mean squared error of targets that were
    brought to mean 0 and standard deviation 1; predictions are in the units of y.
    {parameters}

    {attributes}

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> NetRegressor(random_state=0).fit(X, y).score(X, y) > 0.4
    True
    """

    _task = "regression"
    _target_options: ClassVar[dict[str, Any]] = {"multi_output": True, "y_numeric": True}
    _units: Scaling

    def __init__(
        self,
        model: Any = None,
        *,
        hidden: Any = None,
        activation: str | None = None,
        norm: str | None = None,
        dropout: float | None = None,
        init: str | None = None,
        loss: Any = None,
        optimizer: Any = None,
        lr: float | None = None,
        schedule: Any = None,
        warmup: float | None = None,
        weight_decay: float | None = None,
        l1: float | None = None,
        clip: float | None = None,
        ema: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        patience: int | None = None,
        valid: float | None = None,
        time_limit: float | None = None,
        scale: bool = True,
        warm_start: bool = False,
        threads: int | None = None,
        compile: bool = True,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.hidden = hidden
        self.activation = activation
        self.norm = norm
        self.dropout = dropout
        self.init = init
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.schedule = schedule
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.l1 = l1
        self.clip = clip
        self.ema = ema
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.valid = valid
        self.time_limit = time_limit
        self.scale = scale
        self.warm_start = warm_start
        self.threads = threads
        self.compile = compile
        self.verbose = verbose
        self.random_state = random_state

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """The predicted numbers, (n,) or (n, targets) as y was."""
        outputs = self._outputs(X)
        found = self._units.undo(outputs)
        return found[:, 0] if self._is_flat else found

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over X and y. Numbers are scaled by what the first call saw."""
        return self._partial_fit(X, y, sample_weight)

    def _checked(self, X: Any, y: Any, begins: bool) -> tuple[Any, Array]:
        X, y = super()._checked(X, y, begins)
        return X, y.astype(np.float64, copy=False)

    def _learned_targets(self, y: Array, classes: Any) -> Array:
        self._is_flat = y.ndim == 1
        return y

    def _known_targets(self, y: Array) -> Array:
        return y

    def _learn_units(self, train: Rows) -> int:
        self._units = Scaling.fit(train.y.reshape(len(train.y), -1), train.weights)
        return len(self._units.mean)

    def _in_units(self, y: Array) -> Array:
        return self._units.apply(y.reshape(len(y), -1)).reshape(y.shape)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
