"""Sources, loaders and augmentation."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.data.collate import default_collate as default_collate
from chainrule.data.collate import default_convert as default_convert
from chainrule.data.dataset import ConcatDataset as ConcatDataset
from chainrule.data.dataset import Dataset as Dataset
from chainrule.data.dataset import Subset as Subset
from chainrule.data.dataset import TensorDataset as TensorDataset
from chainrule.data.dataset import random_split as random_split
from chainrule.data.loader import DataLoader as DataLoader
from chainrule.data.sampler import BatchSampler as BatchSampler
from chainrule.data.sampler import RandomSampler as RandomSampler
from chainrule.data.sampler import Sampler as Sampler
from chainrule.data.sampler import SequentialSampler as SequentialSampler

__getattr__: Callable[[str], Any] = absent(
    "utils.data",
    "ChainDataset DistributedSampler IterableDataset StackDataset SubsetRandomSampler WeightedRandomSampler "
    "get_worker_info",
)
