"""Learning-rate schedules, as in torch.optim.lr_scheduler."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.optim.lr_scheduler.base import LRScheduler as LRScheduler
from chainrule.optim.lr_scheduler.base import LRScheduler as _LRScheduler  # noqa: F401 (PyTorch's name of old)
from chainrule.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from chainrule.optim.lr_scheduler.exponential import ExponentialLR as ExponentialLR
from chainrule.optim.lr_scheduler.functions import LambdaLR as LambdaLR
from chainrule.optim.lr_scheduler.functions import MultiplicativeLR as MultiplicativeLR
from chainrule.optim.lr_scheduler.one_cycle import OneCycleLR as OneCycleLR
from chainrule.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau
from chainrule.optim.lr_scheduler.ramp import ConstantLR as ConstantLR
from chainrule.optim.lr_scheduler.ramp import LinearLR as LinearLR
from chainrule.optim.lr_scheduler.sequential import SequentialLR as SequentialLR
from chainrule.optim.lr_scheduler.steps import MultiStepLR as MultiStepLR
from chainrule.optim.lr_scheduler.steps import StepLR as StepLR
from chainrule.optim.lr_scheduler.warm_restarts import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts

__getattr__: Callable[[str], Any] = absent(
    "optim.lr_scheduler",
    "ChainedScheduler CyclicLR PolynomialLR",
    " LambdaLR takes any function of the epoch.",
)
