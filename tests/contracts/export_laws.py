"""What must hold for every export format; `LAWS` is applied to each class that the walk finds."""

import ast
import dataclasses
import inspect
import json
import shutil
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError, StoreError
from curate.experts.image_facts import ImageFacts
from curate.exports.export import ExportReport, export
from curate.exports.formats import Format, format_name
from curate.exports.options import list_options
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
    return {path.name: path.read_bytes() for path in sorted(Path(out).iterdir())}


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
    index = pq.read_table(f"{report.out}/index.parquet")
    rows = index.to_pylist()
    assert index.column_names[: len(EXPORT_INDEX)] == EXPORT_INDEX.names
    assert [row["uid"] for row in rows] == list(ground.folder.images)
    states = [[row["export_file"], row["dropped_by"], row["error"]] for row in rows]
    assert all(sum(state is not None for state in each) == 1 for each in states)
    counts = {"source_samples": len(rows), "samples": sum(s[0] is not None for s in states), "failed": 0}
    assert report.counts == counts
    assert counts.items() <= json.loads(Path(report.out, "export.json").read_bytes()).items()


def exactly_the_kept_samples_that_match_its_condition_are_exported(kind: type[Format], ground: Ground) -> None:
    view = run_view(ground.folder.store)
    condition = ground.example(kind).condition(view.names()) or "true"
    kept = f"SELECT uid FROM samples WHERE dropped_by IS NULL AND error IS NULL AND ({condition})"
    index = pq.read_table(f"{ground.first(kind).out}/index.parquet").to_pylist()
    exported = {row["uid"] for row in index if row["export_file"]}
    assert exported == set(query(ground.folder.store, kept)["uid"].to_pylist()) != set()


def the_index_points_at_the_bytes_of_the_source(kind: type[Format], ground: Ground) -> None:
    out = Path(ground.first(kind).out)
    for row in pq.read_table(out / "index.parquet").to_pylist():
        if row["export_image_offset_bytes"] is not None:
            start, size = row["export_image_offset_bytes"], row["export_image_size_bytes"]
            assert contents(out)[row["export_file"]][start : start + size] == ground.folder.images[row["uid"]]


def the_manifest_names_every_file(kind: type[Format], ground: Ground) -> None:
    out = ground.first(kind).out
    manifest = json.loads(contents(out)["export.json"])
    assert manifest["format"] == format_name(kind)
    assert sorted([*manifest["files"], "export.json"]) == sorted(contents(out))
    index = pq.read_table(f"{out}/index.parquet", columns=["export_file"])["export_file"].to_pylist()
    assert set(index) - {None} <= set(manifest["files"])


def the_same_run_gives_the_same_bytes_also_over_an_earlier_export(kind: type[Format], ground: Ground) -> None:
    first, out = contents(ground.first(kind).out), ground.fresh(kind, "again")
    export(ground.folder.store, ground.example(kind), out, where="false")
    export(ground.folder.store, ground.example(kind), out)
    assert contents(out) == first


def an_export_of_nothing_has_an_index_of_every_sample(kind: type[Format], ground: Ground) -> None:
    report = export(ground.folder.store, ground.example(kind), ground.fresh(kind, "empty"), where="false")
    assert report.counts == {"source_samples": 12, "samples": 0, "failed": 0}
    assert pq.read_table(f"{report.out}/index.parquet").num_rows == 12


def an_image_that_changed_is_never_shipped(kind: type[Format], ground: Ground) -> None:
    report = export(ground.changed.store, ground.example(kind), ground.fresh(kind, "changed"))
    rows = pq.read_table(f"{report.out}/index.parquet").to_pylist()
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
    for out in (here, f"memory://export-laws/{kind.__module__}"):
        cell.write_bytes(damaged)
        with pytest.raises(StoreError, match="cannot be read"):
            export(store, ground.example(kind), out)
        assert not Store(out).exists("export.json")
        assert not Path(here).exists() or out != here
        cell.write_bytes(whole)
        export(store, ground.example(kind), out)
        assert {n: Store(out).read_bytes(n) for n in Store(out).list("")} == contents(ground.first(kind).out)
    cell.write_bytes(damaged)
    with pytest.raises(StoreError):
        export(store, ground.example(kind), here)
    assert contents(here) == contents(ground.first(kind).out)  # the earlier export stands
    assert not list(ground.out.glob(".*"))


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
    an_export_of_nothing_has_an_index_of_every_sample,
    an_image_that_changed_is_never_shipped,
    a_crash_leaves_no_folder_that_looks_finished_and_the_next_export_works,
    a_folder_that_no_export_wrote_is_left_alone,
    reads_no_clock_and_no_chance,
]
