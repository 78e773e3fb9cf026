"""NetClassifier: a network that tells classes apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from chainrule.ir.errors import ArgumentError
from chainrule.sklearn.base import Net
from chainrule.sklearn.inputs import Array
from chainrule.sklearn.parameters import documented
from chainrule.sklearn.rows import Rows
from chainrule.sklearn.scaling import Floats


@documented
class NetClassifier(ClassifierMixin, Net):  # type: ignore[misc]
    """A network that tells classes apart, as a scikit-learn estimator.

    Trained by `chainrule.fit` with the defaults of `chainrule train`: cross entropy over one output a class.
    {parameters}
    class_weight: "balanced", or a dict from labels to weights, which multiply those of the rows.
    label_smoothing: the share of each target that is spread over all classes.

    {attributes}
    classes_: the labels, sorted, as y had them.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> NetClassifier(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    _task = "classification"

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
        class_weight: Any = None,
        label_smoothing: float | None = None,
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
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

    def predict(self, X: Any) -> Array:
        """The label of each row: the most probable class."""
        probabilities = self.predict_proba(X)
        found: Array = self.classes_[probabilities.argmax(1)]
        return found

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """The probability of each class, (n, classes), in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Their logarithms."""
        logits = self._outputs(X)
        logits -= logits.max(1, keepdims=True)
        found: npt.NDArray[np.float64] = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return found

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One pass over X and y. The first call needs all `classes` that there will be, unless y has them all."""
        return self._partial_fit(X, y, sample_weight, classes)

    def _checked(self, X: Any, y: Any, begins: bool) -> tuple[Any, Array]:
        X, y = super()._checked(X, y, begins)
        check_classification_targets(y)
        return X, y

    def _learned_targets(self, y: Array, classes: Any) -> Array:
        labels = np.unique(y if classes is None else np.asarray(classes))
        if len(labels) < 2:
            raise ArgumentError(
                f"{type(self).__name__} needs at least two classes; the rows of y that count hold one class: "
                f"{shown(labels[0])}."
            )
        self.classes_ = labels
        return self._known_targets(y)

    def _known_targets(self, y: Array) -> Array:
        known = np.isin(y, self.classes_)
        if not known.all():
            raise ArgumentError(
                f"y holds the label {shown(y[~known][0])}, which is not among the classes of the first fit: "
                f"{', '.join(map(shown, self.classes_[:20]))}."
            )
        return np.searchsorted(self.classes_, y)

    def _weights(self, y: Array, weights: Floats) -> Floats:
        asked = self.class_weight
        if asked is None:
            return weights
        each = np.ones(len(self.classes_))
        if isinstance(asked, Mapping):
            for label, weight in asked.items():
                place = np.flatnonzero(self.classes_ == label)
                if not place.size:
                    raise ArgumentError(
                        f"class_weight names {label!r}, which is no class of y: {', '.join(map(shown, self.classes_))}."
                    )
                each[place] = weight
        elif isinstance(asked, str) and asked == "balanced":
            sums = np.bincount(y, weights, len(each))
            each = np.divide(weights.sum(), np.count_nonzero(sums) * sums, where=sums > 0, out=each)
        else:
            raise ArgumentError(f"class_weight must be 'balanced' or a dict from labels to weights, not {asked!r}.")
        if not np.isfinite(each).all() or each.min() < 0:
            raise ArgumentError(f"class_weight must be finite and not negative; it is {asked!r}.")
        return weights * each[y]

    def _learn_units(self, train: Rows) -> int:
        return len(self.classes_)

    def _in_units(self, y: Array) -> Array:
        return y


def shown(label: Any) -> str:
    """A label as Python writes it, not as NumPy does."""
    return repr(label.item() if isinstance(label, np.generic) else label)
