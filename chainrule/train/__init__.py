"""Floor 6: training runs."""

from chainrule.train.classifier import Epoch, Settings, accuracy, build_mlp, train_classifier
from chainrule.train.fit import fit
from chainrule.train.lr_finding import Curve, lr_find
from chainrule.train.predictor import Predictor, load, save
from chainrule.train.run import Run
from chainrule.train.saving import load_model, save_model

__all__ = [
    "Curve",
    "Epoch",
    "Predictor",
    "Run",
    "Settings",
    "accuracy",
    "build_mlp",
    "fit",
    "load",
    "load_model",
    "lr_find",
    "save",
    "save_model",
    "train_classifier",
]
