"""`torch.utils.data`: see chainrule.data."""

from chainrule.data import BatchSampler as BatchSampler
from chainrule.data import ConcatDataset as ConcatDataset
from chainrule.data import DataLoader as DataLoader
from chainrule.data import Dataset as Dataset
from chainrule.data import RandomSampler as RandomSampler
from chainrule.data import Sampler as Sampler
from chainrule.data import SequentialSampler as SequentialSampler
from chainrule.data import Subset as Subset
from chainrule.data import TensorDataset as TensorDataset
from chainrule.data import __getattr__ as __getattr__
from chainrule.data import default_collate as default_collate
from chainrule.data import default_convert as default_convert
from chainrule.data import random_split as random_split
