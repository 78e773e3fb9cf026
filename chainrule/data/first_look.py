"""What a file is, judged by its first bytes, before any reader sees it; what is no table is refused in one line."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from chainrule.data.table import nearest
from chainrule.ir.errors import ArgumentError

LOOK_BYTES = 1 << 22
FEW = 8  # control characters may stand in a short text, damaged as it may be

SIGNATURES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "save the sheet as CSV (or unpack the archive)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it with gunzip"),
    (b"BZh", "compressed with bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it with unxz"),
    (b"(\xb5/\xfd", "compressed with zstd", "unpack it with unzstd"),
    (b"%PDF", "a PDF document", "save its table as CSV"),
    (b"\x89PNG", "a PNG image", "give a table"),
    (b"\xff\xd8\xff", "a JPEG image", "give a table"),
    (b"GIF8", "a GIF image", "give a table"),
    (b"SQLite format 3", "an SQLite database", "export a table of it as CSV"),
    (b"\x93NUMPY", "an array of NumPy's", "load it with numpy.load and give the array"),
    (b"\x89HDF", "an HDF5 file", "export the table as CSV or Parquet"),
    (b"ARROW1", "an Arrow file", "write it as Parquet or CSV"),
    (b"\x7fELF", "a program", "give a table"),
    (b"\x80\x02", "a Python pickle", "write the data as CSV or Parquet"),
    (b"\x80\x03", "a Python pickle", "write the data as CSV or Parquet"),
    (b"\x80\x04", "a Python pickle", "write the data as CSV or Parquet"),
    (b"\x80\x05", "a Python pickle", "write the data as CSV or Parquet"),
)
UTF_16_OR_32 = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v\x1a\x1b"))


@dataclass(frozen=True)
class FirstLook:
    """A file of text (or Parquet): its size, its encoding, its first characters."""

    path: Path
    size_bytes: int
    parquet: bool = False
    encoding: str = "utf-8"  # or cp1252
    text: str = ""  # the first LOOK_BYTES, without a byte order mark
    whole: bool = True  # the text is the whole file


def first_look(path: Path) -> FirstLook:
    """Open a file and see what it is; ArgumentError in one line if it can be no table."""
    size, start = opened(path)
    if start[:4] == b"PAR1":
        return FirstLook(path, size, parquet=True, whole=False)
    refuse_binary(path, start)
    whole = size <= len(start)
    start = start.removeprefix(codecs.BOM_UTF8)
    text, encoding = decoded(path, start, whole)
    if not text.strip():
        raise ArgumentError(f"{path}: a table with a header line was expected, but the file is empty ({size} bytes).")
    return FirstLook(path, size, False, encoding, text, whole)


def all_of(look: FirstLook) -> FirstLook:
    """The same with the whole text."""
    if look.whole:
        return look
    with look.path.open("rb") as file:
        data = file.read().removeprefix(codecs.BOM_UTF8)
    refuse_binary(look.path, data)
    text, encoding = decoded(look.path, data, True)
    return FirstLook(look.path, look.size_bytes, False, encoding, text)


def opened(path: Path) -> tuple[int, bytes]:
    """The size of a file and its first bytes."""
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder; a CSV or Parquet file was expected.")
    try:
        with path.open("rb") as file:
            return path.stat().st_size, file.read(LOOK_BYTES)
    except FileNotFoundError:
        raise ArgumentError(no_file(path)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ArgumentError(f"{path} cannot be read: {reason}.") from None


def no_file(path: Path) -> str:
    """The message for a file that is not there, with the nearest names in its folder."""
    try:
        names = {other.stem: other.name for other in path.parent.iterdir()}
    except OSError:
        return f"no file {path}: there is no folder {path.parent}."
    near = nearest(path.stem, names, names)
    folder = "the current folder" if path.parent == Path() else str(path.parent)
    return f"no file {path.name!r} in {folder}.{f' Did you mean {near}?' if near else ''}"


def refuse_binary(path: Path, start: bytes) -> None:
    for mark, name in UTF_16_OR_32:
        if start.startswith(mark):
            raise ArgumentError(not_utf8(path, name))
    for mark, what, repair in SIGNATURES:
        if start.startswith(mark):
            raise ArgumentError(f"{path}: a CSV or Parquet file was expected, but this is {what}; {repair}.")
    place = start.find(b"\0")
    if place < 0:
        return
    ends = start[:4000:2].count(b"\0"), start[1:4000:2].count(b"\0")
    half = min(len(start), 4000) // 2
    if max(ends) > 0.7 * half and min(ends) < 0.1 * half:
        raise ArgumentError(not_utf8(path, "UTF-16"))
    line = start.count(b"\n", 0, place) + 1
    control = len(start) - len(start.translate(None, CONTROL))
    if control > max(0.05 * len(start), FEW):
        raise ArgumentError(f"{path}: a CSV or Parquet file was expected, but this is binary data, not text.")
    raise ArgumentError(nul_byte(path, line))


def nul_byte(path: Path, line: int) -> str:
    return (
        f"{path}: text was expected, but line {line} holds a NUL byte. The file is damaged, or binary; "
        f"remove such bytes (tr -d '\\000' < {path.name} > clean.csv) or export it again."
    )


def not_utf8(path: Path, encoding: str) -> str:
    return (
        f"{path}: UTF-8 was expected, but the file is {encoding}. Convert it: "
        f"iconv -f {encoding} -t UTF-8 {path.name} > utf8.csv"
    )


def decoded(path: Path, start: bytes, whole: bool) -> tuple[str, str]:
    """The text and its encoding: UTF-8, or Windows-1252 (which holds Latin-1) where the bytes are none."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(start, final=whole), "utf-8"
    except UnicodeDecodeError as error:
        if len(start.translate(None, CONTROL)) < 0.95 * len(start):
            raise ArgumentError(
                f"{path}: a CSV or Parquet file was expected, but it is binary (byte {error.start:,} is no text)."
            ) from None
        return start.decode("cp1252", "replace"), "cp1252"
