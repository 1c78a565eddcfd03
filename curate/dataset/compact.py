"""Fold later additions into the cells they belong to: the same rows and values in fewer files."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from curate.dataset.cells import Columns
from curate.dataset.manifest import latest
from curate.storage.lock import lock_dataset
from curate.storage.store import Store

__all__ = ["CompactReport", "compact"]

WAVE = 1_000  # cells handed to the threads at a time
AT_ONCE = 4  # cells in memory


@dataclass(frozen=True, slots=True)
class CompactReport:
    """How many cell files there were, and how many are left after `folded` cells took in their additions."""

    root: str
    files_before: int
    files_after: int
    folded: int

    def __rich__(self) -> RenderableType:
        if not self.folded:
            return Text(f"nothing to fold: the {self.files_before:,} cells of {self.root} are one file each")
        saved = f"{self.files_before:,} files of cells are now {self.files_after:,}"
        return Text(f"{saved}: {self.folded:,} cells took in their later additions; no value changed")


def compact(store: Store, say: Callable[[str], None] = lambda message: None) -> CompactReport:
    """Fold the additions of every cell into its first file, while holding the dataset's lock.

    A cell is rewritten whole before its additions go, the last first. Killed in between, the remaining additions
    repeat what the cell holds, and no older attempt wins over a newer one; folding again ends in the same bytes.
    Raises PlanError if the folder is no dataset, StoreError if a run is at work or a cell is damaged.
    """
    latest(store)
    columns = Columns(store)
    with lock_dataset(store, say) as name:
        name("compact")
        before = folded = gone = 0
        for stage in store.list("columns"):
            names = store.list(f"columns/{stage}")
            additions = _additions(names)
            before, folded, gone = before + len(names), folded + len(additions), gone + sum(additions.values())
            shards = sorted(additions)
            with ThreadPoolExecutor(AT_ONCE) as threads:
                for start in range(0, len(shards), WAVE):
                    list(
                        threads.map(
                            lambda shard, stage=stage: fold(columns, stage, shard), shards[start : start + WAVE]
                        )
                    )  # type: ignore[misc]
    return CompactReport(store.root, before, before - gone, folded)


def fold(columns: Columns, stage: str, shard: str) -> None:
    """Rewrite one cell with its additions laid over it, then remove them, the last first."""
    files = list(columns.files(stage, shard))
    cell = columns.read(stage, shard)
    if cell is None or len(files) < 2:
        return
    columns.store.write_table(files[0], cell.combine_chunks().replace_schema_metadata(None))  # not the old seal
    for path in reversed(files[1:]):
        columns.store.remove(path)


def _additions(names: list[str]) -> dict[str, int]:
    """Return how many additions lie beside each cell that has any, by shard."""
    stems = {name.removesuffix(".parquet") for name in names}
    found: dict[str, int] = {}
    for stem in stems:
        shard, _, addition = stem.rpartition(".")
        if addition.isdecimal() and shard in stems:
            found[shard] = found.get(shard, 0) + 1
    return found
