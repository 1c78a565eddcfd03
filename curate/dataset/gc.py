"""Garbage collection: remove verdicts, cells and runs that no kept run refers to, and files of killed writers."""

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.dataset.cells import Cells
from curate.dataset.manifest import Manifest, load, run_ids
from curate.errors import PlanError
from curate.stages import SAMPLE_STAGE
from curate.storage.lock import lock_dataset
from curate.storage.store import PART, Store

__all__ = ["SCRATCH", "Garbage", "GcReport", "collect"]

SCRATCH = "scratch"
"""Where corpus stages leave files while they measure: what lies there when no run is at work is of a killed one."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can go, in the order in which it goes: a run before its verdicts, a verdict before the cells it rests on.

    So a kill in between leaves nothing that a reader or a later run would take for finished. `rows` are error files
    of which only the rows of other stages stay: path -> stages that go. `folders` are unfinished exports.
    """

    files: list[str]
    rows: dict[str, pa.Array]
    folders: list[Path]


@dataclass(frozen=True, slots=True)
class GcReport:
    """The garbage by folder: files and bytes (null on object stores, where each would cost a request)."""

    root: str
    kept: Sequence[str]
    garbage: list[tuple[str, int, int | None]]
    removed: bool

    def __rich__(self) -> RenderableType:
        kept = f"kept {'runs' if len(self.kept) > 1 else 'run'}: {', '.join(self.kept)}"
        if not self.garbage:
            return Text(f"{kept}\nnothing to remove: all that {self.root} holds belongs to them")
        table = Table(box=None, pad_edge=False)
        for name in ("no kept run refers to", "files", "MB"):
            table.add_column(name, justify="left" if name.startswith("no") else "right")
        for what, files, size in self.garbage:
            table.add_row(Text(what), f"{files:,}", "" if size is None else f"{size / 1e6:,.1f}")
        return Group(Text(kept), table, Text("removed" if self.removed else "nothing was removed; --yes removes it"))


def collect(store: Store, keep: int | None = None, keep_runs: Sequence[str] = (), yes: bool = False) -> GcReport:
    """Find what the kept runs do not refer to and, with `yes`, remove it while holding the dataset's lock.

    Kept are the newest `keep` runs and `keep_runs`; without either, all. The newest run is always kept. Raises
    PlanError for an unknown run or a folder that is no dataset, StoreError if a run is at work.
    """
    if keep is not None and keep < 1:
        raise PlanError(f"--keep {keep} would leave nothing; give 1 or more")
    with lock_dataset(store, lambda message: None) if yes else contextlib.nullcontext():
        runs = run_ids(store)
        if not runs:
            raise PlanError(f"{store.root} is not a dataset: no run in {store.url('runs')}; give the folder of a run")
        newest = 1 if keep is None and keep_runs else keep or len(runs)
        kept = [load(store, run) for run in sorted({*runs[-newest:], *keep_runs})]
        garbage = _find(store, kept)
        report = GcReport(store.root, [run.id for run in kept], _sizes(store, garbage), yes)
        if yes:
            _remove(store, garbage)
    return report


def _find(store: Store, kept: Sequence[Manifest]) -> Garbage:
    used = _references(store, kept)
    cells = Cells(store)
    every_shard = cells.shards(SAMPLE_STAGE).union(*used.values())
    files = [*_run_files(store, {run.id for run in kept})]
    for stage in sorted(
        cells.stages(), key=lambda stage: (not stage.startswith("verdict-"), stage == SAMPLE_STAGE, stage)
    ):
        shards = used.get(stage, set())
        files += [file.path for file in cells.listing(stage, every_shard) if file.shard not in shards]
    used_shards = set().union(*used.values())
    rows: dict[str, pa.Array] = {}
    for name in store.list("errors"):
        path = f"errors/{name}"
        if name.removesuffix(".parquet") not in used_shards:
            files.append(path)
        elif unused := set(store.read_table(path, ["stage"])["stage"].to_pylist()) - set(used):
            rows[path] = pa.array(sorted(unused))
    for stage in store.list(SCRATCH):
        files += [f"{SCRATCH}/{stage}/{name}" for name in store.list(f"{SCRATCH}/{stage}")]
    orphans, folders = _leftovers(store)
    return Garbage(files + orphans, rows, folders)


def _references(store: Store, kept: Sequence[Manifest]) -> dict[str, set[str]]:
    """Return the shards that the kept runs need, by stage folder."""
    used: dict[str, set[str]] = {}
    for run in kept:
        shards = {shard.name for shard in run.shards(store)}
        for stage in [run.sample_stage, run.verdict, *run.pools, *(stage.id for stage in run.stages if stage.id)]:
            used[stage] = used[stage] | shards if stage in used else shards
    return used


def _run_files(store: Store, kept: set[str]) -> Iterator[str]:
    """Yield what lies under `runs/` of other runs, their manifests first."""
    own = tuple(f"{run}." for run in kept)
    others = [name for name in store.list("runs") if not name.startswith(own)]
    yield from (f"runs/{name}" for name in others if name.endswith(".json"))
    for name in others:
        if name.endswith(".requests"):
            yield from (f"runs/{name}/{below}" for below in store.list(f"runs/{name}"))
        elif not name.endswith(".json"):
            yield f"runs/{name}"


def _leftovers(store: Store) -> tuple[list[str], list[Path]]:
    """Return half-written files, and exports in the dataset folder that were never finished (local folders only)."""
    if not store.is_local():
        return [], []
    root = store.local_path()
    exports = [path for path in root.glob(f"exports/.*{PART}") if path.is_dir()]
    orphans = [path for path in root.rglob(f"*{PART}") if path.is_file()]
    return [
        path.relative_to(root).as_posix() for path in sorted(orphans) if not any(e in path.parents for e in exports)
    ], sorted(exports)


def _sizes(store: Store, garbage: Garbage) -> list[tuple[str, int, int | None]]:
    """Return folder, files and bytes of what can go, in the order in which it goes."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for path in garbage.files:
        folder = path.rpartition("/")[0]
        files[folder] += 1
        sizes[folder] += store.local_path(path).stat().st_size if store.is_local() else 0
    for each in garbage.folders:
        below = [path for path in each.rglob("*") if path.is_file()]
        files[f"exports/{each.name}"] += len(below)
        sizes[f"exports/{each.name}"] += sum(path.stat().st_size for path in below)
    if garbage.rows:
        files["errors (rows of stages that go)"] += len(garbage.rows)
    return [(folder, n, sizes[folder] if store.is_local() else None) for folder, n in files.items()]


def _remove(store: Store, garbage: Garbage) -> None:
    for path in garbage.files:
        store.remove(path)
    for path, stages in garbage.rows.items():
        rows = store.read_table(path)
        rows = rows.filter(pc.invert(pc.is_in(rows["stage"], stages)))
        if rows.num_rows:
            store.write_table(path, rows.replace_schema_metadata(None))
        else:
            store.remove(path)
    for folder in garbage.folders:
        shutil.rmtree(folder, ignore_errors=True)
    if store.is_local():
        for parent in {path.rpartition("/")[0] for path in garbage.files} - {"runs", "columns", "errors", ""}:
            with contextlib.suppress(OSError):  # not empty: something in it is still used
                store.local_path(parent).rmdir()
