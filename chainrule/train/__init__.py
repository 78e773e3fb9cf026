"""Floor 6: training runs. Thin today: one classifier on arrays, and saving it."""

from chainrule.train.classifier import Epoch, Settings, accuracy, build_mlp, train_classifier
from chainrule.train.saving import load_model, save_model

__all__ = ["Epoch", "Settings", "accuracy", "build_mlp", "load_model", "save_model", "train_classifier"]
