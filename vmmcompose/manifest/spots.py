"""Where in a file a part of a value stands."""

from vmmcompose.manifest.nodes import File, Span
from vmmcompose.model.problem import Place


def spot(file: File, span: Span, text: str, part: tuple[int, int]) -> Place:
    """The place of a part (start, end) of the text that was read from a span of the file.

    Its spelling is looked for in the span. Where escapes or folds spell it otherwise it is the whole span.
    """
    wanted = text[part[0] : part[1]].split("\n", 1)[0]
    before = text.count(wanted, 0, part[0] + len(wanted) - 1) if wanted else 0
    first, column, last, end = span
    lines = file.lines
    for number in range(first, min(last + 1, len(lines))):
        line = lines[number][: end if number == last else None]
        position = column if number == first else 0
        while wanted and (position := line.find(wanted, position)) >= 0:
            if not before:
                return file.place((number, position, number, position + len(wanted)))
            before -= 1
            position += len(wanted)
    return file.place(span)
