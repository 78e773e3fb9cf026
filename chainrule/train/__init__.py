"""Floor 6: training runs."""

from chainrule.train.classifier import Epoch, Settings, accuracy, build_mlp, train_classifier
from chainrule.train.fit import fit
from chainrule.train.run import Run
from chainrule.train.saving import load_model, save_model

__all__ = [
    "Epoch",
    "Run",
    "Settings",
    "accuracy",
    "build_mlp",
    "fit",
    "load_model",
    "save_model",
    "train_classifier",
]
