"""Optimisers and learning-rate schedules, as in torch.optim."""

from typing import Any

from chainrule.ir.errors import NotYetError
from chainrule.optim import lr_scheduler as lr_scheduler
from chainrule.optim.adagrad import Adagrad as Adagrad
from chainrule.optim.adam import Adam as Adam
from chainrule.optim.adamw import AdamW as AdamW
from chainrule.optim.optimizer import Optimizer as Optimizer
from chainrule.optim.rmsprop import RMSprop as RMSprop
from chainrule.optim.sgd import SGD as SGD

NOT_YET = {"ASGD", "Adadelta", "Adafactor", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam", "Rprop", "SparseAdam"}


def __getattr__(name: str) -> Any:
    if name in NOT_YET or name == "swa_utils":
        raise NotYetError(f"optim.{name} is not there yet; there are SGD, Adam, AdamW, RMSprop and Adagrad.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
