"""Pictures as text, and the one in the README; VMM_REGEN_GOLDEN=1 writes them anew, the SVG where Graphviz is there."""

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from pictures import drawn_shop, shop_picture
from projects import converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.host.graphviz import svg
from vmmcompose.model.options import Options
from vmmcompose.render.graph import Graph, dot, mermaid, plan_graph, project_graph

FOLDER = Path(__file__).parent / "graph"
IMAGES = Path(__file__).parents[2] / "docs" / "images"

CASES: dict[str, Callable[[], Graph]] = {
    "project-manifest-alone": lambda: project_graph(drawn_shop(), "network vmm-br0 · 172.16.0.0/16", {}),
    "project-with-its-host": shop_picture,
    "plan-first-up": lambda: plan_graph(plan_for(SimulatedHost(), shop())),
    "plan-a-restart": lambda: plan_graph(plan_for(converged(shop()), edit(shop(), "web", cpus=2))),
    "plan-a-disk-is-lost": lambda: plan_graph(plan_for(converged(shop()), shop(), Options(recreate=True))),
    "plan-nothing": lambda: plan_graph(plan_for(converged(shop()), shop())),
}


def agree(file: Path, text: str) -> None:
    if os.environ.get("VMM_REGEN_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_picture_is_as_it_was(name: str) -> None:
    agree(FOLDER / name / "picture.mmd", mermaid(CASES[name]()))


def test_no_folder_is_left_without_its_case() -> None:
    assert {folder.name for folder in FOLDER.iterdir()} == set(CASES)


def test_the_readme_shows_what_graph_draws_today() -> None:
    source = dot(shop_picture())
    mark = f"<!-- drawn from shop.dot, sha256 {sha256(source.encode()).hexdigest()} -->\n"
    drawing = IMAGES / "shop.svg"
    if os.environ.get("VMM_REGEN_GOLDEN") and shutil.which("dot") and mark not in drawing.read_text():
        drawing.write_text(svg(source) + mark)
    agree(IMAGES / "shop.dot", source)
    assert drawing.read_text().endswith(mark), "tools/regen-golden draws it anew, where Graphviz is installed"
    assert "docs/images/shop.svg" in (IMAGES.parents[1] / "README.md").read_text()
