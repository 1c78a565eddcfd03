"""The commands and Python blocks of the task pages run as they stand, one after another, as a reader types them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = ("first-dataset", "your-shards", "thresholds", "plan", "query", "troubleshooting")


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the kinds and texts of what a page lets its reader run, in order."""
    found = BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text())
    return [(kind, text) for kind, text in found if kind == "python" or (not kind and text.startswith("curate "))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working directory like a checkout's, with the dataset `out` of the first page in it."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "nano").symlink_to(ROOT / "nano")
    for options in ("", "-p min_side.minimum_px=250"):
        run(folder, f"curate run datacomp_basic -i 'nano/shards/*.tar' -d out {options}")
    return folder


def run(folder: Path, text: str, kind: str = "") -> str:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "160"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", text] if kind == "python" else ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.ray
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(folder, page):
    shown = blocks(page)
    assert shown
    for kind, text in shown:
        run(folder, text, kind)


@pytest.mark.ray
def test_the_first_page_ends_with_shards_and_a_sample(folder):
    assert (folder / "train" / "index.json").exists() or run(folder, "curate export out train --to webdataset")
    (python,) = [text for kind, text in blocks("first-dataset") if kind == "python"]
    assert re.search(r"\S.* \d+ bytes$", run(folder, python, "python").strip())
