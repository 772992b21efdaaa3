"""Graphviz draws what the writer writes; without it, and with what it cannot read, the message says what to do."""

import shutil
import stat
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from pictures import shop_picture

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.graphviz import svg
from vmmcompose.render.graph import dot

MISSING = "" if shutil.which("dot") else "Graphviz is not installed"


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_the_picture_is_svg_with_all_its_words_on_paper() -> None:
    root = ET.fromstring(svg(dot(shop_picture())))
    words = "".join(root.itertext())
    for word in ("web-1", "172.16.0.2", "pgdata", "10 GiB", "when healthy", ":8080", "● running"):
        assert word in words
    assert "#ffffff" in ET.tostring(root, encoding="unicode")


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_it_is_the_same_every_time_and_names_no_version() -> None:
    first = svg(dot(shop_picture()))
    assert first == svg(dot(shop_picture()))
    assert "enerated by" not in first


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_what_it_cannot_read_is_its_failure() -> None:
    with pytest.raises(HostError, match=r"dot failed: Error: .*syntax error"):
        svg("digraph {")


def test_without_it_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostUnfit, match="`dot` is not installed") as caught:
        svg("digraph {}")
    assert "apt-get install graphviz" in caught.value.hint
    assert "--format mermaid" in caught.value.hint


def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sleeper = tmp_path / "dot"
    sleeper.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    sleeper.chmod(sleeper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("vmmcompose.host.graphviz.TIMEOUT_S", 0.2)
    with pytest.raises(HostError, match="still at work"):
        svg("digraph {}")
