"""The names that an object file defines for others, and those that it expects from others.

llvmlite does not tell them. Only 64-bit files with little-endian numbers are read, which is all that the code generator
is asked for: ELF (Linux), Mach-O (macOS) and COFF (Windows).
"""

from __future__ import annotations

import struct
from typing import NamedTuple


class Symbols(NamedTuple):
    """As they are called in the IR."""

    defined: frozenset[str]
    undefined: frozenset[str]


def symbols_of(data: bytes) -> Symbols:
    """Reads the symbol table. ValueError if this is no object file, or a damaged one."""
    try:
        if data.startswith(b"\x7fELF\x02\x01"):
            found = _elf(data)
        elif data.startswith(b"\xcf\xfa\xed\xfe"):
            found = _mach_o(data)
        elif data.startswith((b"\x64\x86", b"\x64\xaa")):
            found = _coff(data)
        else:
            raise ValueError("not an object file of a known kind")
    except struct.error as error:
        raise ValueError("a damaged object file") from error
    if not found:
        raise ValueError("an object file that defines nothing")
    known = {name for name, is_defined in found if is_defined}
    return Symbols(frozenset(known), frozenset(name for name, _ in found) - known)


_Found = list[tuple[str, bool]]  # the symbols that others can see: the name, and whether it is defined here


def _elf(data: bytes) -> _Found:
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQII", data, table + k * size) for k in range(count)]
    found = []
    for _, kind, _, _, offset, length, link, _ in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = sections[link][4]
        for place in range(offset, offset + length, 24):
            name, info, _, section = struct.unpack_from("<IBBH", data, place)
            if info >> 4 and name:  # 0 is a local one
                found.append((_name(data, names + name), section != 0))
    return found


def _mach_o(data: bytes) -> _Found:
    (commands,) = struct.unpack_from("<I", data, 16)
    found, place = [], 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, place)
        if command == 2:  # LC_SYMTAB
            start, count, names, _ = struct.unpack_from("<IIII", data, place + 8)
            for k in range(count):
                name, kind, _ = struct.unpack_from("<IBB", data, start + 16 * k)
                if kind & 1 and not kind & 0xE0:  # external, and not for debuggers
                    found.append((_name(data, names + name).removeprefix("_"), bool(kind & 0x0E)))
        place += size
    return found


def _coff(data: bytes) -> _Found:
    start, count = struct.unpack_from("<II", data, 8)
    names = start + 18 * count
    found, k = [], 0
    while k < count:
        place = start + 18 * k
        long, offset, value, section, _, kind, further = struct.unpack_from("<IIIhHBB", data, place)
        if kind == 2:  # external
            name = _name(data, place, 8) if long else _name(data, names + offset)
            found.append((name, section != 0 or value != 0))
        k += 1 + further
    return found


def _name(data: bytes, place: int, limit: int | None = None) -> str:
    end = data.find(b"\0", place, None if limit is None else place + limit)
    if end < 0:
        end = len(data) if limit is None else place + limit
    return data[place:end].decode("utf-8", "replace")
