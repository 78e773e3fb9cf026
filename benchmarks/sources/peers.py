"""What others make of a table: scikit-learn's MLP, linear models and boosted trees, each tuned on the training rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sources.public_tables import PublicTable

Matrix = npt.NDArray[np.float64]
SYSTEMS = ("mlp", "linear", "trees")
ALPHAS = [1e-4, 1e-2, 1e-1, 1.0, 10.0]


def score_peer(system: str, table: PublicTable, train: Any, test: Any, seed: int) -> float:
    """Accuracy or R2 on the test rows of a peer that was tuned and fitted on the training rows."""
    x, categories = coded(table)
    y = table.columns[table.target]
    model = pipeline(system, table.task, x.shape[1], categories, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unfinished L-BFGS of hopeless settings, classes with few rows in a fold
        model.fit(x[train], y[train])
        return float(model.score(x[test], y[test]))


def coded(table: PublicTable) -> tuple[Matrix, list[int]]:
    """All columns but the target as numbers, categories by their code, and which those are."""
    columns: list[npt.NDArray[Any]] = []
    categories: list[int] = []
    for name, column in table.columns.items():
        if name == table.target:
            continue
        if column.dtype == object:
            categories.append(len(columns))
            texts = np.array(["(missing)" if value is None else value for value in column])
            column = np.unique(texts, return_inverse=True)[1].astype(float)
        columns.append(column)
    return np.stack(columns, 1), categories


def pipeline(system: str, task: str, width: int, categories: list[int], seed: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    if system == "trees":
        trees = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
        return trees(categorical_features=categories or None, random_state=seed)
    numbers = [at for at in range(width) if at not in categories]
    prepare = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
        ]
    )
    return make_pipeline(prepare, linear(task) if system == "linear" else mlp(task, seed))


def linear(task: str) -> Any:
    """Ridge or logistic regression, its penalty chosen by cross-validation."""
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV

    if task == "regression":
        return RidgeCV(np.logspace(-3, 4, 15))
    return LogisticRegressionCV(Cs=np.logspace(-3, 2, 6), cv=5, max_iter=1000)


def mlp(task: str, seed: int) -> Any:
    """One hidden layer of 100 (scikit-learn's default), early stopping, alpha chosen by cross-validation."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    kind = MLPRegressor if task == "regression" else MLPClassifier
    search = GridSearchCV(kind(early_stopping=True, max_iter=3000, random_state=seed), {"alpha": ALPHAS}, cv=3)
    return TransformedTargetRegressor(search, transformer=StandardScaler()) if task == "regression" else search
