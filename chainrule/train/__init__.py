"""Floor 6: training runs."""

from chainrule.train.fit import fit
from chainrule.train.lr_finding import Curve, lr_find
from chainrule.train.predictor import Predictor, load, save
from chainrule.train.run import Run

__all__ = [
    "Curve",
    "Predictor",
    "Run",
    "fit",
    "load",
    "lr_find",
    "save",
]
