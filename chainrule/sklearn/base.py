"""What the two estimators share: fit, partial_fit, and what they keep."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, check_X_y, validate_data

from chainrule import nn
from chainrule.data import ColumnProfile, Table, as_table
from chainrule.ir.errors import ArgumentError
from chainrule.sklearn.continuing import Continuing
from chainrule.sklearn.inputs import Array, ArrayInputs, TableInputs, as_inputs, columns_of, taken
from chainrule.sklearn.models import OF_PRESETS, check_outputs, is_own, made_module
from chainrule.sklearn.network import Network
from chainrule.sklearn.rows import Rows, checked_weights, gathered, held_out
from chainrule.sklearn.scaling import Floats
from chainrule.sklearn.settings import check_parameters, settled
from chainrule.sklearn.threads import limited_threads
from chainrule.sklearn.training import Job, seed_from, seeded, trained
from chainrule.train.run import Run

FEWEST_HELD_OUT = 8  # fewer rows say nothing about when to stop


class Net(BaseEstimator):  # type: ignore[misc]
    """Base of NetClassifier and NetRegressor, which hold the parameters."""

    _task = ""
    _target_options: ClassVar[dict[str, Any]] = {}  # how `validate_data` is to look at y
    _network: Network
    _inputs: ArrayInputs | TableInputs
    _continuing: Continuing | None
    history_: list[dict[str, Any]]
    loss_curve_: list[float]

    # What the two differ in -------------------------------------------------------------------------------------------

    def _learned_targets(self, y: Array, classes: Any) -> Array:
        """y as rows are told apart by, from a first fit; what is learned about it is kept."""
        raise NotImplementedError

    def _known_targets(self, y: Array) -> Array:
        """The same in later ones."""
        raise NotImplementedError

    def _learn_units(self, train: Rows) -> int:
        """What is learned about targets from the training rows. Returns how many outputs the network needs."""
        raise NotImplementedError

    def _in_units(self, y: Array) -> Array:
        """Targets as the network is trained on them."""
        raise NotImplementedError

    def _weights(self, y: Array, weights: Floats) -> Floats:
        """The weights of rows, with those of their classes."""
        return weights

    # Fitting ----------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains the network on X (n, features) and y; a row of weight 2 is the same as that row twice.

        Raises ArgumentError (a ValueError) for parameters and data that it cannot take, DivergedError if the loss
        becomes infinite or NaN.
        """
        self._check_parameters()
        begins = not (self.warm_start and hasattr(self, "_network"))
        rows = self._rows(X, y, sample_weight, begins)
        seed = seed_from(self.random_state)
        train, valid = self._split(rows, seed)
        with limited_threads(self.threads), seeded(seed):
            module = self._begun(train) if begins else self._network.module
            self._settle(train)
            train, valid = self._encoded(train), None if valid is None else self._encoded(valid)
            run = trained(Job(module, train, valid, self._task, self.settings_, self.compile, self.verbose))
        self._network, self._continuing = Network(module, self.compile), None
        self._note(run, valid is not None)
        if run.stopped == "interrupted":  # all is kept, but whoever runs fit after fit is to end too
            raise KeyboardInterrupt
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """One pass over rows, without a schedule, early stopping or an average of weights."""
        self._check_parameters()
        begins = not hasattr(self, "_network")
        rows = self._rows(X, y, sample_weight, begins, classes)
        with limited_threads(self.threads):
            if begins or self._continuing is None:
                self._continue(rows, begins)
            assert self._continuing is not None
            row = self._continuing.step(self._encoded(rows))
        self.history_.append(row)
        self.loss_curve_.append(row["train"]["loss"])
        self.n_iter_, self.loss_ = len(self.history_), self.loss_curve_[-1]
        return self

    def _continue(self, rows: Rows, begins: bool) -> None:
        """Makes ready for passes over rows: with a new network, or with that of a fit."""
        seed = seed_from(self.random_state)
        if begins:
            with seeded(seed):
                module = self._begun(rows)
            self._network = Network(module, self.compile)
            self.history_, self.loss_curve_ = [], []
        self._settle(rows)
        self._continuing = Continuing(self._network.module, self._task, self.settings_, self.compile, seed)

    def _check_parameters(self) -> None:
        check_parameters(type(self).__name__, self.get_params(deep=False), self._task)

    def _rows(self, X: Any, y: Any, sample_weight: Any, begins: bool, classes: Any = None) -> Rows:
        """The rows that count, each once, in an order of their own."""
        X, y = self._checked(X, y, begins)
        weights = checked_weights(sample_weight, len(X))
        counts = weights > 0
        if not counts.all():
            X, y, weights = taken(X, np.flatnonzero(counts)), y[counts], weights[counts]
        targets = self._learned_targets(y, classes) if begins else self._known_targets(y)
        weights = self._weights(targets, weights)
        if not weights.any():
            raise ArgumentError("class_weight must not be all zero for the classes that y holds.")
        return gathered(X, targets, weights)

    def _checked(self, X: Any, y: Any, begins: bool) -> tuple[Any, Array]:
        """X as an array or a Table, y as an array: as many rows, and of a kind that can be trained on."""
        inputs = as_inputs(X) if self.scale else X
        if not begins:  # as it was in the first fit
            inputs = as_table(X) if isinstance(self._inputs, TableInputs) else X
        if not isinstance(inputs, Table):
            X, y = validate_data(self, X, y, reset=begins, **self._options(), **self._target_options)
            return X, y
        validate_data(self, X, reset=begins, skip_check_array=True)
        _, y = check_X_y(np.zeros((len(inputs), 1)), y, estimator=self, **self._target_options)
        return inputs, y

    def _options(self) -> dict[str, Any]:
        """How `validate_data` is to look at X."""
        return {
            "dtype": [np.float64, np.float32] if self.scale or not is_own(self.model) else "numeric",
            "ensure_all_finite": "allow-nan" if self.scale else True,
            "allow_nd": is_own(self.model),
        }

    def _split(self, rows: Rows, seed: int) -> tuple[Rows, Rows | None]:
        """The rows to train on, and those held out to see when to stop, if there are enough."""
        count = len(rows.y)
        share = settled(self.get_params(deep=False), count, columns_of(rows.x), self._task)["valid"]
        if share * count < FEWEST_HELD_OUT:
            return rows, None
        classes = rows.y if self._task == "classification" else None
        places = held_out(classes, count, round(share * count), np.random.Generator(np.random.PCG64(seed)))
        return rows.take(np.setdiff1d(np.arange(count), places)), rows.take(places)

    def _begun(self, train: Rows) -> nn.Module:
        """What is learned before training, and the module as it begins."""
        if isinstance(train.x, Table):
            self._inputs = TableInputs.fit(train.x)
        else:
            self._inputs = ArrayInputs.fit(train.x, train.weights, self.scale)
        self.n_outputs_ = self._learn_units(train)
        settings = self._settle(train)
        options = {name: settings[name] for name in OF_PRESETS if name in settings}
        module = made_module(settings.get("model", self.model), self._inputs.width, self.n_outputs_, options)
        if is_own(self.model):
            check_outputs(module, self._inputs.apply(taken(train.x, np.zeros(1, np.int64))), self.n_outputs_)
        return module

    def _settle(self, train: Rows) -> dict[str, Any]:
        """The settings for these rows."""
        self.settings_ = settled(self.get_params(deep=False), len(train.y), self._inputs.width, self._task)
        return self.settings_

    def _encoded(self, rows: Rows) -> Rows:
        """Rows as the network is trained on them."""
        return Rows(self._inputs.apply(rows.x), self._in_units(rows.y), rows.weights)

    def _note(self, run: Run, has_valid: bool) -> None:
        """What is said about a fit."""
        score = "accuracy" if self._task == "classification" else "r2"
        self.history_ = run.history
        self.n_iter_ = len(run.history)
        self.loss_curve_ = [row["train"]["loss"] for row in run.history]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")
        self.best_loss_ = min(self.loss_curve_, default=float("nan"))
        self.stopped_ = run.stopped
        self.best_epoch_ = run.best_epoch if has_valid else self.n_iter_
        self.validation_loss_curve_ = [row["validation"]["loss"] for row in run.history] if has_valid else None
        self.validation_scores_ = [row["validation"][score] for row in run.history] if has_valid else None
        self.best_validation_score_ = run.best["validation"][score] if has_valid and run.best else None

    # What it answers --------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> npt.NDArray[np.float64]:
        """What the network says of X, (n, outputs)."""
        check_is_fitted(self, "n_outputs_")
        if isinstance(self._inputs, TableInputs):
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=False, **self._options())
        with limited_threads(self.threads):
            return self._network.outputs(self._inputs.apply(X)).astype(np.float64)

    @property
    def columns_(self) -> tuple[ColumnProfile, ...] | None:
        """What became of each column of a DataFrame that does not hold numbers alone."""
        check_is_fitted(self, "n_outputs_")
        return self._inputs.profiles if isinstance(self._inputs, TableInputs) else None

    @property
    def module_(self) -> nn.Module:
        """The trained module."""
        check_is_fitted(self, "n_outputs_")
        return self._network.module

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = bool(self.scale)
        tags.target_tags.required = True
        return tags
