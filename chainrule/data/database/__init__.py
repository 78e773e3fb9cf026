"""Large CSV files, and Parquet, through DuckDB; loaded at first use, for most runs read a small file."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name in {"CsvFile", "read_csv_database", "read_parquet"}:
        return getattr(importlib.import_module("chainrule.data.database.files"), name)
    raise AttributeError(f"module 'chainrule.data.database' has no attribute {name!r}")
