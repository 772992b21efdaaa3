"""JSON lines for tools: whatever a file is called, they can be written and read."""

import io
import json

import pytest

from vmmcompose.cli.jsonlog import log_json


@pytest.mark.parametrize("name", ["ünïcödé", "two\nlines", "bytes-\udcff\udcfe", 'quo"te\\'])
def test_any_name_of_a_file_is_text(name: str) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="utf-8")
    log_json({"event": "sync-failed", "detail": name}, stream)
    (line,) = written.getvalue().decode().splitlines()
    assert json.loads(line)["detail"] == name
