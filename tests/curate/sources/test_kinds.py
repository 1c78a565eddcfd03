"""A source kind is one file; what is written here about kinds holds for every one of them."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import PlanError
from curate.sources import Shard, count, fetch, find_shards, kinds, scan
from curate.sources.kinds import kind_named, source_kinds
from tests.curate.sources.test_tar import rows
from tests.support.images import jpeg

PAGE = (Path(__file__).parents[3] / "docs" / "add-a-source.md").read_text()
(JSON_LINES,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def json_lines(tmp_path, monkeypatch):
    """Put one more file beside the kinds."""
    folder = tmp_path / "more_kinds"
    folder.mkdir()
    (folder / "json_lines.py").write_text(JSON_LINES)
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(folder)])
    source_kinds.cache_clear()
    yield
    source_kinds.cache_clear()
    sys.modules.pop("curate.sources.kinds.json_lines", None)


def write_lines(path, images):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(json.dumps({"image": base64.b64encode(i).decode(), "text": "t"}) for i in images))


@pytest.mark.usefixtures("json_lines")
def test_a_new_kind_is_one_file(tmp_path):
    images = [jpeg(40, 30 + i) for i in range(5)]
    write_lines(tmp_path / "in" / "x.jsonl", [*images, b""])
    (shard,) = find_shards([str(tmp_path / "in")])

    assert (shard.kind, shard.name.rpartition("-")[0]) == ("json_lines", "in.x")
    samples = list(scan(shard))
    assert [s.image for s in samples] == [*images, None]
    assert samples[-1].error.code == "empty_image"
    assert list(fetch(shard, rows(samples).take([1, 3]))) == [images[1], images[3]]
    assert count(shard) == 6
    limited = Shard(shard.name, shard.kind, shard.url, 1, limit=2)
    assert len(list(scan(limited))) == count(limited) == 2


@pytest.mark.usefixtures("json_lines")
def test_what_a_new_kind_checks_and_is_called_is_in_the_messages(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.jsonl").write_text('{"picture": ""}')
    with pytest.raises(PlanError, match="no field image in its first line"):
        find_shards([str(tmp_path / "in")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlanError, match=r"tar files: \.tar.*images: \.jpg.*JSON lines: \.jsonl"):
        find_shards([str(tmp_path / "empty")])


def test_tars_go_before_parquet_files_and_both_before_images():
    assert list(source_kinds()) == ["tar", "parquet", "folder"]


@pytest.mark.parametrize("name", source_kinds())
def test_every_kind_says_what_it_is_called_and_how_its_files_end(name):
    kind = kind_named(name)
    assert kind.label
    assert kind.endings
    assert all(ending.startswith(".") and ending == ending.lower() for ending in kind.endings)


def test_no_ending_belongs_to_two_kinds():
    endings = [ending for kind in source_kinds().values() for ending in kind.endings]
    assert len(endings) == len(set(endings))


def test_an_unknown_kind_is_one_sentence():
    with pytest.raises(PlanError, match="no source kind is called zip; there are: tar, parquet, folder"):
        scan(Shard("s", "zip", "x.zip", 1))


def test_kinds_are_found_without_reading_any_source():
    code = "import sys, curate.sources; assert not any(n.startswith('curate.sources.kinds.') for n in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
