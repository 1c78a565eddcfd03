"""What must hold for every export format; `LAWS` is applied to each class that the walk finds."""

import ast
import dataclasses
import inspect
import json
import pickle
import shutil
import sys
import typing
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError, StoreError
from curate.experts.image_facts import ImageFacts
from curate.exports.export import ExportReport, export
from curate.exports.folder import MANIFEST
from curate.exports.formats import Format, format_name
from curate.exports.index import INDEX
from curate.exports.options import list_options
from curate.exports.selection import select
from curate.exports.settings import ExportSettings
from curate.inspect.query import query
from curate.inspect.view import run_view
from curate.recipe import read_assignments
from curate.stages import stage_id
from curate.storage.store import Store
from schemas.export_index import EXPORT_INDEX
from tests.support.dataset_folder import Folder

UNSTEADY = {"datetime", "random", "secrets", "socket", "threading", "time", "urllib", "uuid"}


@dataclass
class Ground:
    """Where laws are tried: a finished dataset, the same with one image changed in its source, a folder to write to.

    `exported` keeps the first export of each format, which several laws look at.
    """

    folder: Folder
    changed: Folder
    out: Path
    exported: dict[type[Format], ExportReport] = field(default_factory=dict)

    def example(self, kind: type[Format]) -> Format:
        """Construct a format from its defaults; an option that must be given and is a path gets training rows."""
        hints = typing.get_type_hints(kind)
        required = [each.name for each in dataclasses.fields(kind) if each.default is dataclasses.MISSING]
        assert all(hints[name] is Path for name in required), f"{kind.__name__} needs defaults for {required}"
        return kind(**dict.fromkeys(required, self.training_rows()))

    def training_rows(self) -> Path:
        """Write a row of LLaVA's form for every sample of the source."""
        path = self.out / "rows.jsonl"
        keys = [f"{shard:05}{row:04}" for shard in range(2) for row in range(6)]
        turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
        path.write_text("".join(f"{json.dumps({'id': key, 'conversations': turns})}\n" for key in keys))
        return path

    def first(self, kind: type[Format]) -> ExportReport:
        """Export once with the defaults."""
        if kind not in self.exported:
            self.exported[kind] = export(self.folder.store, self.example(kind), self.fresh(kind, "first"))
        return self.exported[kind]

    def fresh(self, kind: type[Format], name: str) -> str:
        """Return a folder that does not exist."""
        out = self.out / f"{kind.__name__}-{name}"
        shutil.rmtree(out, ignore_errors=True)
        return str(out)


def contents(out: str | Path) -> dict[str, bytes]:
    root = Path(out)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def index_of(out: str | Path) -> list[dict]:
    return pq.read_table(Path(out) / INDEX).to_pylist()


def with_damage(cell: Path, column: str) -> bytes:
    """Return a Parquet file whose pages of one column are turned over: the others can still be read."""
    data, group = bytearray(cell.read_bytes()), pq.read_metadata(cell).row_group(0)
    (chunk,) = [c for i in range(group.num_columns) if (c := group.column(i)).path_in_schema == column]
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    stop = start + chunk.total_compressed_size
    data[start:stop] = bytes(byte ^ 255 for byte in data[start:stop])
    return bytes(data)


def is_a_frozen_dataclass_with_documented_options(kind: type[Format], ground: Ground) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert ground.example(kind) == ground.example(kind)
    for text in (kind.__doc__, sys.modules[kind.__module__].__doc__):
        assert text.strip().partition("\n")[0].endswith(".")
    for option in list_options(kind):
        assert len(option.doc) > 10, f"{option.name} has no documentation"


def a_default_given_as_text_is_the_default(kind: type[Format], ground: Ground) -> None:
    given = ground.example(kind)
    values = {each.name: getattr(given, each.name) for each in dataclasses.fields(kind)}
    texts = {
        name: str(v) if isinstance(v, str | Path) else json.dumps(v) for name, v in values.items() if v is not None
    }
    assert kind(**read_assignments(kind, [f"{name}={text}" for name, text in texts.items()])) == given


def every_sample_of_the_run_is_in_the_index_exported_or_not_for_a_reason(kind: type[Format], ground: Ground) -> None:
    report = ground.first(kind)
    index = pq.read_table(Path(report.out) / INDEX)
    rows = index.to_pylist()
    assert index.column_names[: len(EXPORT_INDEX)] == EXPORT_INDEX.names
    assert [row["uid"] for row in rows] == list(ground.folder.images)
    states = [[row["export_file"], row["dropped_by"], row["error"]] for row in rows]
    assert all(sum(state is not None for state in each) == 1 for each in states)
    counts = {"source_samples": len(rows), "samples": sum(s[0] is not None for s in states), "failed": 0}
    assert report.counts == counts
    assert counts.items() <= json.loads(Path(report.out, MANIFEST).read_bytes()).items()


def exactly_the_kept_samples_that_match_its_condition_are_exported(kind: type[Format], ground: Ground) -> None:
    view = run_view(ground.folder.store)
    condition = ground.example(kind).condition(view.names()) or "true"
    kept = f"SELECT uid FROM samples WHERE dropped_by IS NULL AND error IS NULL AND ({condition})"
    exported = {row["uid"] for row in index_of(ground.first(kind).out) if row["export_file"]}
    assert exported == set(query(ground.folder.store, kept)["uid"].to_pylist()) != set()


def the_index_points_at_the_bytes_of_the_source(kind: type[Format], ground: Ground) -> None:
    out = Path(ground.first(kind).out)
    for row in index_of(out):
        if row["export_image_offset_bytes"] is not None:
            start, size = row["export_image_offset_bytes"], row["export_image_size_bytes"]
            assert contents(out)[row["export_file"]][start : start + size] == ground.folder.images[row["uid"]]


def the_manifest_names_every_file(kind: type[Format], ground: Ground) -> None:
    out = ground.first(kind).out
    manifest = json.loads(contents(out)[MANIFEST])
    assert manifest["format"] == format_name(kind)
    assert sorted([*manifest["files"], MANIFEST]) == sorted(contents(out))
    assert {row["export_file"] for row in index_of(out)} - {None} <= set(manifest["files"])


def the_same_run_gives_the_same_bytes_also_over_an_earlier_export(kind: type[Format], ground: Ground) -> None:
    first, out = contents(ground.first(kind).out), ground.fresh(kind, "again")
    export(ground.folder.store, ground.example(kind), out, where=f"uid = '{ground.folder.uid(5)}'")
    export(ground.folder.store, ground.example(kind), out)
    assert contents(out) == first


def a_condition_that_keeps_nothing_is_one_sentence_and_writes_nothing(kind: type[Format], ground: Ground) -> None:
    out = Path(ground.fresh(kind, "empty"))
    with pytest.raises(PlanError, match=r"none of the 6 kept samples matches the condition .*false"):
        export(ground.folder.store, ground.example(kind), str(out), where="false")
    assert not list(out.parent.glob(f"*{out.name}*"))


def its_writer_is_the_same_in_every_process(kind: type[Format], ground: Ground) -> None:
    format_, view = ground.example(kind), run_view(ground.folder.store)
    with select(view, format_.condition(view.names())) as selection:
        writer = format_.layout(selection)
        again = format_.layout(selection)
    assert dataclasses.is_dataclass(writer)
    assert writer.__dataclass_params__.frozen
    assert pickle.loads(pickle.dumps(writer)) == writer == again
    assert repr(writer) == repr(again)
    assert " at 0x" not in repr(writer)


def splits_of_a_shuffled_export_share_no_file_and_miss_no_sample(kind: type[Format], ground: Ground) -> None:
    settings = ExportSettings(shuffle=1, splits=(("train", 0.5), ("val", 0.3), ("test", 0.2)))
    first = {row["uid"]: row for row in index_of(ground.first(kind).out)}
    outs = [ground.fresh(kind, name) for name in ("split", "split-again")]
    for out in outs:
        report = export(ground.folder.store, ground.example(kind), out, settings=settings)
        assert report.counts == ground.first(kind).counts
    rows = index_of(outs[0])
    assert [row["uid"] for row in rows if row["export_file"]] == [u for u in first if first[u]["export_file"]]
    files = {row["export_file"] for row in rows} - {None}
    assert all(sum(name in file for name in ("train", "val", "test")) == 1 for file in files)
    assert len(files) > 1
    assert contents(outs[0]) == contents(outs[1])


def an_image_that_changed_is_never_shipped(kind: type[Format], ground: Ground) -> None:
    report = export(ground.changed.store, ground.example(kind), ground.fresh(kind, "changed"))
    rows = index_of(report.out)
    assert [row["uid"] for row in rows] == list(ground.changed.images)
    (row,) = [row for row in rows if row["uid"] == ground.changed.uid(4)]
    assert row["error"] == "export: source_changed" or row["export_image_size_bytes"] == 0
    assert report.counts["failed"] == (row["error"] is not None)


def a_crash_leaves_no_folder_that_looks_finished_and_the_next_export_works(kind: type[Format], ground: Ground) -> None:
    """The second shard cannot be read: the crash comes between the files of the first and the last file."""
    dataset = ground.out / "damaged"
    shutil.rmtree(dataset, ignore_errors=True)
    shutil.copytree(ground.folder.store.local_path(), dataset)
    store, here = Store(str(dataset)), ground.fresh(kind, "crash")
    cell = dataset / "columns" / stage_id(ImageFacts()) / f"{ground.folder.shards[1].name}.parquet"
    whole, damaged = cell.read_bytes(), with_damage(cell, "image_entropy_bits")
    for out in (f"memory://{uuid.uuid4().hex}", here):  # memory outlives a test: a name used twice meets the rests
        cell.write_bytes(damaged)
        with pytest.raises(StoreError, match="cannot be read"):
            export(store, ground.example(kind), out)
        assert not Store(out).exists(MANIFEST)
        assert not Path(here).exists() or out != here
        cell.write_bytes(whole)
        export(store, ground.example(kind), out)
        assert {n: Store(out).read_bytes(n) for n in Store(out).find()} == contents(ground.first(kind).out)
    cell.write_bytes(damaged)
    with pytest.raises(StoreError):
        export(store, ground.example(kind), here)
    assert contents(here) == contents(ground.first(kind).out)  # the earlier export stands
    assert not list(ground.out.glob(f".*/{MANIFEST}"))  # what is complete waits for the next, and says so to nobody


def a_folder_that_no_export_wrote_is_left_alone(kind: type[Format], ground: Ground) -> None:
    out = Path(ground.fresh(kind, "foreign"))
    out.mkdir()
    (out / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(PlanError, match=r"no export wrote \(holiday.jpg\)"):
        export(ground.folder.store, ground.example(kind), str(out))
    assert contents(out) == {"holiday.jpg": b"mine"}


def reads_no_clock_and_no_chance(kind: type[Format], ground: Ground) -> None:
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in imported} & UNSTEADY


LAWS = [
    is_a_frozen_dataclass_with_documented_options,
    a_default_given_as_text_is_the_default,
    every_sample_of_the_run_is_in_the_index_exported_or_not_for_a_reason,
    exactly_the_kept_samples_that_match_its_condition_are_exported,
    the_index_points_at_the_bytes_of_the_source,
    the_manifest_names_every_file,
    the_same_run_gives_the_same_bytes_also_over_an_earlier_export,
    a_condition_that_keeps_nothing_is_one_sentence_and_writes_nothing,
    its_writer_is_the_same_in_every_process,
    splits_of_a_shuffled_export_share_no_file_and_miss_no_sample,
    an_image_that_changed_is_never_shipped,
    a_crash_leaves_no_folder_that_looks_finished_and_the_next_export_works,
    a_folder_that_no_export_wrote_is_left_alone,
    reads_no_clock_and_no_chance,
]
