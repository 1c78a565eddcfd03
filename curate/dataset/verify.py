"""Verify a dataset: read every cell again, check its checksum and that it fits the samples of its shard."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.text import Text

from curate.dataset.cells import CellFile, Cells
from curate.dataset.manifest import latest
from curate.errors import StoreError
from curate.stages import SAMPLE_STAGE
from curate.storage.checksums import has_valid_checksum
from curate.storage.lock import lock_dataset
from curate.storage.store import Store

__all__ = ["Damage", "VerifyReport", "verify"]

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that cannot be trusted, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read: `damaged` in the order of their paths; `repaired` tells whether they were removed."""

    store: Store
    files: int
    damaged: list[Damage]
    repaired: bool

    def __rich__(self) -> RenderableType:
        if not self.damaged:
            return Text(f"{self.files:,} files of {self.store.root} are whole")
        lines = [f"{each.path}: {each.reason}" for each in self.damaged[:SHOWN]]
        more = [f"... and {len(self.damaged) - SHOWN:,} more"] if len(self.damaged) > SHOWN else []
        head = f"{len(self.damaged):,} of {self.files:,} files of {self.store.root} are damaged"
        end = (
            "removed; run the recipe again to measure their shards again"
            if self.repaired
            else f"curate verify {self.store.root} --repair removes them, so that the next run measures them again"
        )
        return Group(Text("\n".join([head, *lines, *more])), Text(end))


def verify(store: Store, repair: bool = False) -> VerifyReport:
    """Read all cells and error rows; with `repair` remove the damaged ones while holding the dataset's lock.

    With a damaged cell go its shard's later additions of the same stage and the verdicts of its shard, so that the
    next run sees the shard as unfinished. Raises PlanError if the folder is no dataset.
    """
    latest(store)
    if not repair:
        return _report(store)
    with lock_dataset(store, lambda message: None) as name:
        name("verify --repair")
        report = _report(store)
        shards = _shards(store)
        for damage in report.damaged:
            for path in _to_remove(damage.path, shards):
                store.remove(path)
    return VerifyReport(store, report.files, report.damaged, bool(report.damaged))


def _report(store: Store) -> VerifyReport:
    shards = _shards(store)
    with ThreadPoolExecutor(4) as threads:
        checks = [(len(files), bad) for files, bad in threads.map(lambda files: _check(store, files), shards.values())]
        others = [f"{folder}/{name}" for folder in ("errors", "runs") for name in store.list(folder)]
        others = [path for path in others if path.endswith(".parquet")]
        checks += [(1, [bad] if bad else []) for bad in threads.map(lambda path: _unreadable(store, path)[1], others)]
    damaged = sorted((damage for _, bad in checks for damage in bad), key=lambda damage: damage.path)
    return VerifyReport(store, sum(files for files, _ in checks), damaged, False)


def _shards(store: Store) -> dict[str, list[CellFile]]:
    """Return the cell files by shard: the samples first, then by stage, each cell's files oldest first."""
    cells = Cells(store)
    shards: dict[str, list[CellFile]] = {}
    for stage in cells.stages():
        for file in cells.listing(stage):
            shards.setdefault(file.shard, []).append(file)
    return shards


def _check(store: Store, files: list[CellFile]) -> tuple[list[CellFile], list[Damage]]:
    """Return the files of a shard and those that are damaged or do not fit its sample cell."""
    damaged, uids = [], None
    for file in files:
        table, damage = _unreadable(store, file.path)
        if damage is None and file.path.startswith(f"columns/{SAMPLE_STAGE}/"):
            uids = table["uid"].combine_chunks()
        elif damage is None and uids is not None:
            damage = _misfit(file.path, table, uids, whole=file.addition == 0)
        if damage is not None:
            damaged.append(damage)
    return files, damaged


def _unreadable(store: Store, path: str) -> tuple[pa.Table, Damage | None]:
    try:
        if not has_valid_checksum(store.read_bytes(path)):
            return None, Damage(path, "its checksum does not fit its bytes")
        return store.read_table(path), None
    except StoreError as error:
        return None, Damage(path, str(error))


def _misfit(path: str, table: pa.Table, uids: pa.Array, whole: bool) -> Damage | None:
    """Return what is wrong with a readable cell; a verdict may be shorter than the shard (--limit)."""
    rows = table["row"].combine_chunks()
    if whole and "dropped_by" not in table.column_names and len(rows) != len(uids):
        return Damage(path, f"{len(rows)} rows, but its shard has {len(uids)} samples")
    if len(rows) and int(rows.to_numpy().max()) >= len(uids):
        return Damage(path, f"row {int(rows.to_numpy().max())}, but its shard has {len(uids)} samples")
    if not table["uid"].combine_chunks().equals(uids.take(rows)):
        return Damage(path, "its uids are not those of its shard")
    return None


def _to_remove(path: str, shards: dict[str, list[CellFile]]) -> Iterator[str]:
    """Yield what goes with a damaged file, the verdicts first: killed in between, the shard is already open again."""
    folder, _, name = path.rpartition("/")
    if folder == "runs":
        yield path
        return
    if folder == "errors":
        paths, go = [file.path for file in shards.get(name.removesuffix(".parquet"), [])], [path]
    else:
        files = next(files for files in shards.values() if any(file.path == path for file in files))
        paths = [file.path for file in files]
        of_stage = [other for other in paths if other.startswith(f"{folder}/")]
        go = of_stage[of_stage.index(path) :]
    yield from (other for other in paths if other.startswith("columns/verdict-"))
    yield from reversed(go)
