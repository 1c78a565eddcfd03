"""Runs with stages of deduplication: shards that are added, limits, retries, gc, S3 and exports."""

import os
import subprocess
from dataclasses import replace

import pytest
from rich.console import Console

from curate.corpus.exact_duplicates import ExactDuplicates
from curate.corpus.match_rank import MatchRank
from curate.corpus.near_duplicates import NearDuplicates
from curate.corpus.text_duplicates import TextDuplicates
from curate.dataset.gc import collect
from curate.experts.image_facts import ImageFacts
from curate.experts.image_fingerprint import ImageFingerprint
from curate.experts.text_facts import TextFacts
from curate.exports.export import export
from curate.exports.formats.webdataset import WebDataset
from curate.inspect.query import query
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from curate.storage.filesystems import open_filesystem
from curate.storage.store import Store
from filters.first_of_group import FirstOfGroup
from filters.max_rank_frac import MaxRankFrac
from tests.support.shards import write_tar
from tests.support.stages import TextLength
from tests.support.variants import VARIANTS, jpeg, picture
from tests.support.vectors import Vectors

SHARDS, KINDS = 3, ("coded again", "mirrored")


STAGES = (
    ImageFacts(),
    ExactDuplicates("bytes"),
    FirstOfGroup("exact_duplicate_group"),
    ImageFingerprint(),
    NearDuplicates(),
    FirstOfGroup("duplicate_group"),
    TextFacts(),
    TextDuplicates(language=None),
    FirstOfGroup("text_duplicate_group"),
    Vectors(),
    MatchRank(among=4),
    MaxRankFrac("match_rank_frac", 0.5),
)


def fill(folder, shards=SHARDS):
    """Write shards of four pictures each; of each there is a changed copy in the next shard, and one is there twice."""
    for i in range(shards):
        mine = [jpeg(picture(4 * i + j)) for j in range(4)]
        copies = [VARIANTS[KINDS[j % 2]](picture(4 * ((i - 1) % shards) + j)) for j in range(2)]
        members = [(f"{j}.jpg", data) for j, data in enumerate([*mine, *copies, mine[0]])]
        texts = [(f"{j}.txt", f"shop number {i} sells {j % 6} 0".encode()) for j in range(len(members))]
        write_tar(folder / "in" / f"{i:05d}.tar", sorted(members + texts))
    return folder


def order(root, *before, shards=range(SHARDS), **options):
    inputs = [f"{root}/in/{i:05d}.tar" for i in shards]
    options = {"local": True, "dataset": f"{root}/out", **options}
    return RunRequest(Pipeline([*before, *STAGES]), inputs, recipe="test", **options)


def finish(request):
    return run(request, Console(quiet=True))


def cells(dataset):
    """Return path -> bytes of all cells and error rows of a dataset on disk or on S3."""
    filesystem, path = open_filesystem(dataset)
    found = {os.path.relpath(file, path): file for file in filesystem.find(path)}
    return {
        name: filesystem.cat_file(file) for name, file in found.items() if name.split("/")[0] in ("columns", "errors")
    }


def bound(request):
    """Return the cells of corpus stages."""
    return {name: data for name, data in cells(request.dataset).items() if "duplicates" in name or "match_rank" in name}


def kept(request):
    rows = query(Store(request.dataset), "SELECT uid FROM samples WHERE dropped_by IS NULL AND error IS NULL")
    return set(rows["uid"].to_pylist())


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path)


def test_each_stage_takes_what_it_is_there_for_and_an_export_holds_what_is_left(folder):
    work = order(folder)
    finish(work)

    sql = "SELECT dropped_by, count(*) AS n FROM samples GROUP BY dropped_by"
    dropped = {row["dropped_by"]: row["n"] for row in query(Store(work.dataset), sql).to_pylist()}
    assert dropped["FirstOfGroup(column='exact_duplicate_group')"] == SHARDS
    assert dropped["FirstOfGroup(column='duplicate_group')"] == SHARDS * 2
    left = SHARDS * 7 - sum(count for name, count in dropped.items() if name)
    assert left == dropped[None] == len(kept(work)) > 0
    report = export(Store(work.dataset), WebDataset(), str(folder / "shards"))
    assert report is not None
    sizes = list((folder / "shards").glob("*.tar"))
    assert sizes
    names = subprocess.run(["tar", "-tf", str(sizes[0])], capture_output=True, text=True, check=True).stdout.split()
    assert sum(name.endswith(".jpg") for name in names) == left


def test_added_shards_and_a_limit_end_in_the_bytes_of_a_fresh_run(folder):
    grown = order(folder)
    finish(replace(grown, inputs=grown.inputs[:2]))
    finish(replace(grown, limit=9))
    finish(grown)
    fresh = order(folder, dataset=str(folder / "fresh"))
    finish(fresh)

    assert bound(fresh).items() <= bound(grown).items()  # experts behind a barrier keep what earlier pools let through
    assert kept(grown) == kept(fresh)
    assert finish(grown).counts["shards_worked"] == 0


def test_a_healed_row_joins_its_group_and_gc_leaves_the_cells_of_the_kept_run(folder):
    text = "shop number 1 sells 1 0"
    broken = order(folder, TextLength(fail=(text,)))
    finish(broken)
    healed = replace(broken, pipeline=Pipeline([TextLength(), *STAGES]), retry=frozenset())
    finish(healed)
    fresh = order(folder, TextLength(), dataset=str(folder / "fresh"))
    finish(fresh)
    assert kept(healed) == kept(fresh)

    collect(Store(healed.dataset), keep=1, yes=True)

    assert len(bound(fresh)) == 4 * SHARDS
    assert bound(healed).items() >= bound(fresh).items()
    assert finish(replace(healed, retry=None)).counts["shards_worked"] == 0


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_on_ray_with_input_and_dataset_on_s3_the_bytes_are_those_of_a_local_run(folder, bucket, s3):
    here = order(folder)
    finish(here)
    filesystem, root = open_filesystem(bucket)
    filesystem.put(f"{folder}/in/", f"{root}/in/", recursive=True)
    there = order(bucket, local=False)
    finish(there)

    assert cells(there.dataset) == cells(here.dataset)
    assert kept(there) == kept(here)
    export(Store(here.dataset), WebDataset(), str(folder / "shards"))
    export(Store(there.dataset), WebDataset(), f"{bucket}/shards")
    exported = {path.name: path.read_bytes() for path in (folder / "shards").glob("*.tar")}
    assert exported == {name: filesystem.cat_file(f"{root}/shards/{name}") for name in exported}
