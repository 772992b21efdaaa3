"""Our lines in a file that belongs to the image: a block between two marks, the rest left as it is."""

_BEGIN = "# >>> vmm >>> (this block is rewritten, edits in it are lost)"
_END = "# <<< vmm <<<"


def with_block(existing: str, lines: list[str]) -> str:
    """`existing` with our block at its end, or without one when there are no lines.

    Blocks of earlier runs go. A begin mark whose end mark somebody removed takes no other line with it.
    """
    kept = _without_blocks(existing.split("\n"))
    while kept and not kept[-1].strip():
        kept.pop()
    block = [_BEGIN, *lines, _END] if lines else []
    result = kept + block
    return "\n".join(result) + "\n" if result else ""


def has_block(existing: str) -> bool:
    """Whether an earlier run left a block."""
    return _BEGIN in existing.split("\n")


def _without_blocks(lines: list[str]) -> list[str]:
    kept: list[str] = []
    start: int | None = None
    for line in lines:
        if line == _BEGIN:
            start = len(kept)
        elif line == _END:
            if start is not None:
                del kept[start:]
            start = None
        else:
            kept.append(line)
    return kept
