"""Learning-rate schedules, as in torch.optim.lr_scheduler."""

from typing import Any

from chainrule.ir.errors import NotYetError
from chainrule.optim.lr_scheduler.base import LRScheduler as LRScheduler
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

NOT_YET = {"ChainedScheduler", "CosineAnnealingWarmRestarts", "CyclicLR", "PolynomialLR"}


def __getattr__(name: str) -> Any:
    if name in NOT_YET:
        raise NotYetError(f"optim.lr_scheduler.{name} is not there yet; LambdaLR takes any function of the epoch.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
