"""Tables, from files to features and labels; data sets and loaders."""

from collections.abc import Callable
from typing import Any

from chainrule.absent import absent
from chainrule.data.arrays import as_table as as_table
from chainrule.data.collate import default_collate as default_collate
from chainrule.data.collate import default_convert as default_convert
from chainrule.data.dataset import ConcatDataset as ConcatDataset
from chainrule.data.dataset import Dataset as Dataset
from chainrule.data.dataset import Subset as Subset
from chainrule.data.dataset import TensorDataset as TensorDataset
from chainrule.data.dataset import random_split as random_split
from chainrule.data.encoding import Encoding as Encoding
from chainrule.data.labels import Labels as Labels
from chainrule.data.loader import DataLoader as DataLoader
from chainrule.data.profiling import ColumnProfile as ColumnProfile
from chainrule.data.profiling import profile as profile
from chainrule.data.reading import read_table as read_table
from chainrule.data.sampler import BatchSampler as BatchSampler
from chainrule.data.sampler import RandomSampler as RandomSampler
from chainrule.data.sampler import Sampler as Sampler
from chainrule.data.sampler import SequentialSampler as SequentialSampler
from chainrule.data.shipped import SHIPPED as SHIPPED
from chainrule.data.shipped import load_digits as load_digits
from chainrule.data.shipped import shipped_path as shipped_path
from chainrule.data.sources import Source as Source
from chainrule.data.sources import open_source as open_source
from chainrule.data.splitting import Parts as Parts
from chainrule.data.splitting import split as split
from chainrule.data.table import Column as Column
from chainrule.data.table import Kind as Kind
from chainrule.data.table import Table as Table
from chainrule.data.table import concatenate as concatenate
from chainrule.data.task import Task as Task
from chainrule.data.task import guess_task as guess_task
from chainrule.data.task import target_of as target_of

__getattr__: Callable[[str], Any] = absent(
    "utils.data",
    "ChainDataset DistributedSampler IterableDataset StackDataset SubsetRandomSampler WeightedRandomSampler "
    "get_worker_info",
)
