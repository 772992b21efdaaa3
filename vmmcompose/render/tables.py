"""Tables of text, sized to their content."""

from collections.abc import Sequence
from unicodedata import combining, east_asian_width

GAP = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned to the left; ends with a newline. An empty cell shows as `-`."""
    filled = [tuple(header), *(tuple(cell or "-" for cell in row) for row in rows)]
    widths = [max(width(row[column]) for row in filled) for column in range(len(header))]
    return "".join(_line(row, widths) for row in filled)


def width(text: str) -> int:
    """Columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def ago(seconds: float) -> str:
    """A length of time in its two biggest units: `3d4h`, `5m02s`, `12s`."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    if minutes:
        return f"{minutes}m{whole % 60:02d}s"
    return f"{whole}s"


def mib(size_bytes: float) -> str:
    """A size: `12.3 MiB`, `4.0 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)]
    return GAP.join(cells).rstrip() + "\n"
