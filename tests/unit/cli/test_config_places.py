"""Where a value stands in the settings file: found in any JSON, however it is spelt."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.host.configfile import place_of

SCALARS = st.one_of(
    st.integers(), st.booleans(), st.none(), st.text(alphabet='a"\\\\{}[]:, ü\\n', max_size=8)
)
NAMES = st.text(alphabet='ab"\\\\{}[]:,', max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def paths(value: Any, at: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, dict):
        return []
    found = [((*at, name), inner) for name, inner in value.items()]
    return found + [deeper for here, inner in found for deeper in paths(inner, here)]


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from([None, 0, 2]), st.booleans())
def test_the_place_holds_the_value(document: dict[str, Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    for at, value in paths(document):
        place = place_of(text, "config.json", at)
        assert place is not None
        rest = "\n".join([place.text[place.column - 1 :], *text.split("\n")[place.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value
        assert text.split("\n")[place.line - 1] == place.text
        assert place.column < place.end_column <= len(place.text) + 1
    assert place_of(text, "config.json", ("no", "such", "name", "here", "at", "all")) is None
