"""Numbers as people read them: as many digits as matter, units beside them, and never a zero that is none."""

from __future__ import annotations

import math

MISSING = "\u2013"  # a dash, where there is no number
TIMES = "\u00d7"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\u2212"


def count(number: float) -> str:
    """A whole number with its thousands apart: 12,345."""
    return f"{number:,.0f}".replace("-", MINUS) if math.isfinite(number) else not_finite(number)


def figure(number: float, digits: int = 3) -> str:
    """A number to so many digits: 0.0123, 12.3, 12,346, 1.23 times 10⁻⁷."""
    if not math.isfinite(number):
        return not_finite(number)
    if number == 0:
        return "0"
    power = math.floor(math.log10(abs(number)))
    if -5 < power < 9:
        return f"{number:,.{max(0, digits - 1 - power)}f}".replace("-", MINUS)
    mantissa, _, power_text = f"{number:.{digits - 1}e}".partition("e")
    return f"{mantissa.replace('-', MINUS)}{TIMES}10{str(int(power_text)).translate(SUPERSCRIPTS)}"


def percent(share: float) -> str:
    """A share as a percentage with one decimal; more where rounding would say 0 or 100 of what is neither."""
    if not math.isfinite(share):
        return not_finite(share)
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    for decimals in (1, 2, 3, 4):
        shown = f"{100 * share:.{decimals}f}"
        if float(shown) not in (0.0, 100.0):
            break
    return f"{shown.replace('-', MINUS)}%"


def duration(seconds: float) -> str:
    """A time in the units that fit it: 0.42 s, 12.3 s, 4 min 05 s, 3 h 12 min."""
    if not math.isfinite(seconds) or seconds < 0:
        return MISSING
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def power_of_ten(power: int) -> str:
    """10^power as an axis shows it: 0.01, 1, 100, 10⁻⁵."""
    if -3 <= power <= 3:
        return f"{10.0**power:,.{max(0, -power)}f}"
    return f"10{str(power).translate(SUPERSCRIPTS)}"


def not_finite(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    return "∞" if number > 0 else f"{MINUS}∞"
