"""The table of consumers says what `make test-consumers` really uses."""

import re
from pathlib import Path

import pytest

from curate.exports.formats import known_formats

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "consumers.md").read_text().splitlines()
    if line.startswith("|") and "---" not in line
][1:]
FOLDERS = {
    "wids": "webdataset",
    "megatron-energon": "energon",
    "mosaicml-streaming": "streaming",
    "ms_swift": "swift",
    "mlcroissant": "croissant",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_has_the_versions_of_the_lock_and_formats_that_exist(row):
    consumer, versions, formats, _ = row
    folder = ROOT / "tests" / "consumers" / FOLDERS.get(consumer, consumer)
    pins = (folder / "requirements.lock").read_text() + (ROOT / "requirements.lock").read_text()
    named = [consumer, *re.findall(r"with (\S+)", versions)]
    numbers = re.findall(r"\d+\.\d+\.\d+", versions)
    package = {"open_clip": "open_clip_torch"}
    for name, number in zip(named, numbers, strict=True):
        assert f"{package.get(name, name)}=={number}\n" in pins
    assert set(re.findall(r"`(\w+)`", formats)) <= set(known_formats())


def test_every_folder_of_containers_is_in_the_table():
    folders = {path.parent.name for path in (ROOT / "tests" / "consumers").glob("*/requirements.in")}
    assert {FOLDERS.get(row[0], row[0]) for row in ROWS} <= folders
