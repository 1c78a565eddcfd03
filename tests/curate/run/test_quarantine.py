"""What is on a block list is never shown nor exported, whatever was measured of it before."""

import hashlib
import json

import pytest
from rich.console import Console

from curate.errors import PlanError, SampleError
from curate.experts.block_list import BlockList, read_list
from curate.experts.image_facts import ImageFacts
from curate.exports.export import export
from curate.exports.options import read_format
from curate.inspect.query import query
from curate.inspect.show import image_bytes, sample_facts
from curate.pipeline import Pipeline
from curate.run.runner import run
from curate.run.spec import RunRequest
from curate.storage.store import Store
from tests.support.shards import write_tar
from tests.support.variants import jpeg, picture

SECRET = "a text that nobody may read"
TEXT = SECRET.encode()


@pytest.fixture
def source(tmp_path):
    images = [jpeg(picture(seed)) for seed in range(4)]
    members = [(f"{i}.{end}", data) for i, jpg in enumerate(images) for end, data in (("jpg", jpg), ("txt", TEXT))]
    write_tar(tmp_path / "00000.tar", members)
    return images


def local(tmp_path, *stages):
    inputs, out = [str(tmp_path / "00000.tar")], str(tmp_path / "out")
    run(RunRequest(Pipeline(list(stages)), inputs, out, "test", local=True), Console(quiet=True))
    return Store(str(tmp_path / "out"))


def listed(tmp_path, *digests):
    path = tmp_path / "list.txt"
    path.write_text("# a list\n" + "\n".join(digests) + "\n")
    return str(path)


@pytest.mark.parametrize("kind", [hashlib.sha256, hashlib.md5])
def test_a_hit_is_an_error_that_says_nothing_of_the_sample(tmp_path, source, kind):
    store = local(tmp_path, BlockList((listed(tmp_path, kind(source[1]).hexdigest().upper()),)), ImageFacts())
    rows = query(store, 'SELECT * FROM samples ORDER BY "row"').to_pylist()
    assert [row["error"] for row in rows] == [None, "block_list: blocked", None, None]
    assert {name for name, value in rows[1].items() if value is not None} == {"uid", "shard", "key", "row", "error"}


def test_what_was_measured_before_is_hidden_too_in_every_run(tmp_path, source):
    store = local(tmp_path, ImageFacts())
    first = query(store, "SELECT count(alt_text) AS n FROM samples").to_pylist()
    assert first == [{"n": 4}]
    old = store.list("runs")[0].removesuffix(".json")
    local(tmp_path, ImageFacts(), BlockList((listed(tmp_path, hashlib.sha256(source[2]).hexdigest()),)))
    for run_id in (None, old):
        rows = query(store, 'SELECT * FROM samples ORDER BY "row"', run_id).to_pylist()
        assert [row["alt_text"] for row in rows] == [SECRET, SECRET, None, SECRET]
        assert rows[2]["image_sha256"] is None
        assert rows[2]["error"] == "block_list: blocked"
        assert SECRET not in json.dumps(sample_facts(store, rows[2]["uid"], run_id))
        with pytest.raises(SampleError):
            image_bytes(store, rows[2]["uid"], run_id)
        out = tmp_path / f"export-{run_id}"
        export(store, read_format("parquet", []), str(out), None, run_id)
        assert all(source[2] not in path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_a_perceptual_list_needs_a_radius(tmp_path, source):
    store = local(tmp_path, ImageFacts())
    (phash,) = query(store, 'SELECT image_phash FROM samples WHERE "row" = 3').to_pylist()
    lists = (listed(tmp_path, f"{phash['image_phash']:016x}"),)
    with pytest.raises(PlanError, match="give phash_radius=0"):
        BlockList(lists).check()
    local(tmp_path, ImageFacts(), BlockList(lists, phash_radius=2))
    rows = query(store, "SELECT \"row\" FROM samples WHERE error = 'block_list: blocked'").to_pylist()
    assert rows == [{"row": 3}]


@pytest.mark.parametrize("line", ["abc", "z" * 64, "0" * 40])
def test_a_line_that_is_no_digest_is_named(tmp_path, line):
    with pytest.raises(PlanError, match="line 2: give 64, 32 or 16 hexadecimal digits"):
        read_list(listed(tmp_path, line))


def test_a_changed_list_is_another_stage(tmp_path):
    one = repr(BlockList((listed(tmp_path, "0" * 64),)))
    assert repr(BlockList((listed(tmp_path, "0" * 63 + "1"),))) != one
