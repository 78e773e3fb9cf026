"""Networks as scikit-learn estimators: in pipelines, grid searches, cross-validation, ensembles.

`NetClassifier` and `NetRegressor` train what `chainrule train` trains, by the same function, with the same defaults.
Needs scikit-learn: `pip install "chainrule[sklearn]"`.
"""

from __future__ import annotations

try:
    from chainrule.sklearn.classifier import NetClassifier
    from chainrule.sklearn.regressor import NetRegressor
except ImportError as error:
    if (error.name or "").partition(".")[0] != "sklearn":
        raise
    raise ModuleNotFoundError(
        'chainrule.sklearn needs scikit-learn 1.6 or later: pip install "chainrule[sklearn]"', name="sklearn"
    ) from None

__all__ = ["NetClassifier", "NetRegressor"]
