"""Compaction: rewrite cells and their additions as one file each, with the same rows and values."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rich.console import RenderableType
from rich.text import Text

from curate.dataset.cells import Cells
from curate.dataset.manifest import latest
from curate.storage.lock import lock_dataset
from curate.storage.store import Store

__all__ = ["CompactReport", "compact"]

WAVE = 1_000  # cells handed to the threads at a time
AT_ONCE = 4  # cells in memory


@dataclass(frozen=True, slots=True)
class CompactReport:
    """How many cell files there were, and how many are left after `compacted` cells took in their additions."""

    root: str
    files_before: int
    files_after: int
    compacted: int

    def __rich__(self) -> RenderableType:
        if not self.compacted:
            return Text(f"nothing to compact: the {self.files_before:,} cells of {self.root} are one file each")
        saved = f"{self.files_before:,} files of cells are now {self.files_after:,}"
        return Text(f"{saved}: {self.compacted:,} cells took in their additions; no value changed")


def compact(store: Store, log: Callable[[str], None] = lambda message: None) -> CompactReport:
    """Merge the additions of every cell into its first file, while holding the dataset's lock.

    A cell is rewritten whole before its additions go, the last first. Killed in between, the remaining additions
    repeat what the cell holds, and no older attempt wins over a newer one; compacting again ends in the same bytes.
    Raises PlanError if the folder is no dataset, StoreError if a run is at work or a cell is damaged.
    """
    latest(store)
    cells = Cells(store)
    with lock_dataset(store, log) as name, ThreadPoolExecutor(AT_ONCE) as threads:
        name("compact")
        before = compacted = removed = 0
        for stage in cells.stages():
            files = cells.files(stage)
            several = [shard for shard, paths in files.items() if len(paths) > 1]
            before += sum(map(len, files.values()))
            compacted += len(several)
            removed += sum(len(files[shard]) - 1 for shard in several)
            for start in range(0, len(several), WAVE):
                list(threads.map(partial(cells.compact, stage), several[start : start + WAVE]))
    return CompactReport(store.root, before, before - removed, compacted)
