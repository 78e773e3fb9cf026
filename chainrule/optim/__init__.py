"""Optimisers and learning-rate schedules, as in torch.optim."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.optim import lr_scheduler as lr_scheduler
from chainrule.optim.adagrad import Adagrad as Adagrad
from chainrule.optim.adam import Adam as Adam
from chainrule.optim.adamw import AdamW as AdamW
from chainrule.optim.optimizer import Optimizer as Optimizer
from chainrule.optim.rmsprop import RMSprop as RMSprop
from chainrule.optim.sgd import SGD as SGD

__getattr__: Callable[[str], Any] = absent(
    "optim",
    "ASGD Adadelta Adafactor Adamax LBFGS Muon NAdam RAdam Rprop SparseAdam swa_utils",
    " There are SGD, Adam, AdamW, RMSprop and Adagrad.",
)
