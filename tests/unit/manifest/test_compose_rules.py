"""The rules that compose publishes, one check for each row of the table in docs/manifest.md, under the row's name."""

import re
from pathlib import Path

import compose_files
import compose_merging
import compose_variables
import pytest
from compose_rules import RULES

DOC = Path(__file__).parents[3] / "docs" / "manifest.md"
PARTS = (compose_variables, compose_merging, compose_files)
ROWS = [name for part in PARTS for name, check in RULES.items() if check.__module__ == part.__name__]


@pytest.mark.parametrize("name", ROWS)
def test_rule(name: str) -> None:
    RULES[name]()


def test_the_table_has_these_rows_in_this_order() -> None:
    section = DOC.read_text().partition("## Compose's rules, one by one\n")[2].partition("\n## ")[0]
    rows = [
        row[1].strip() for row in re.finditer(r"^\| (.+?) \| (?:same|different|vmm's)", section, re.MULTILINE)
    ]
    assert rows == ROWS
    assert len(rows) == len(RULES)
