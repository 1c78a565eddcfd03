"""Samples as a torch `IterableDataset`: shared out by rank and worker, deterministic, resumable."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from curate.errors import PlanError, SampleError
from curate.reading.images import AT_ONCE, decoded
from curate.reading.order import Order, Share, places
from curate.reading.rows import Numbers, Rows

__all__ = ["TorchSamples"]


class TorchSamples(IterableDataset):  # type: ignore[misc]  # torch is Any to mypy here
    """Yields dicts of `columns` and of `image`: RGB as PIL, or what `transform` makes of the dict.

    The epoch's order is cut into equal shares, one a rank; the samples that do not divide are left out, so that all
    ranks make as many steps. A rank's share is cut into one a worker of its DataLoader. Call `set_epoch` before each
    epoch. A position is resumed with `skip`, or by the `state_dict` that torchdata's StatefulDataLoader asks for.
    """

    def __init__(self, rows: Rows, columns: Sequence[str], order: Order) -> None:
        self.rows, self.columns, self.order = rows, tuple(columns), order
        self.share = Share()
        self.transform: Callable[[dict[str, Any]], Any] | None = None
        self._skipped = (0, 1)
        self._given = 0
        self._resumed: int | None = None

    def for_rank(self, rank: int, ranks: int) -> "TorchSamples":
        """Return the dataset of one of several ranks."""
        return self._with("share", Share(rank, ranks, even=True))

    def map(self, transform: Callable[[dict[str, Any]], Any]) -> "TorchSamples":
        """Return the dataset with a function for each sample, which must pickle if workers are spawned."""
        return self._with("transform", transform)

    def skip(self, batches: int, batch_size: int = 1) -> "TorchSamples":
        """Return the dataset behind the first `batches` that a DataLoader of this batch size gave in this epoch.

        Its number of workers must be the same: the batches come from them in turn.
        """
        if batches < 0 or batch_size < 1:
            raise PlanError(f"skip({batches}, {batch_size}): give batches from 0 and a batch size from 1")
        return self._with("_skipped", (batches, batch_size))

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew, and begin at the first sample."""
        self.order = replace(self.order, epoch=epoch)
        self._skipped, self._given, self._resumed = (0, 1), 0, None

    def __len__(self) -> int:
        first, last = self.share.bounds(int(self.rows.counts.sum()))
        return last - first

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        first, last = self.share.bounds(int(self.rows.counts.sum()))
        worker = (worker + self._skipped[0]) % workers  # whose turn it is after the skipped batches goes first
        start, stop = Share(worker, workers).bounds(last - first)
        self._given = self._before(worker, workers) if self._resumed is None else self._resumed
        self._resumed = None
        for found in places(self.rows.parts, self.rows.counts, self.order, first + start + self._given, first + stop):
            for some in range(0, len(found), AT_ONCE):
                for row in self._read(found[some : some + AT_ONCE]):
                    self._given += 1
                    yield self.transform(row) if self.transform else row

    def state_dict(self) -> dict[str, Any]:
        """Return where this copy of the dataset, in a worker or not, is in its share."""
        return {"given": self._given, "epoch": self.order.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next iteration where another one with the same ranks and workers was."""
        self.order = replace(self.order, epoch=state["epoch"])
        self._resumed = self._given = state["given"]

    def _read(self, found: Numbers) -> list[dict[str, Any]]:
        """Return the samples at some places in their order, read in the order in which they lie."""
        rows: list[dict[str, Any]] = [{}] * len(found)
        for part in np.unique(found[:, 0]).tolist():
            here = np.flatnonzero(found[:, 0] == part)
            here = here[np.argsort(found[here, 1], kind="stable")]
            numbers = found[here, 1]
            table = self.rows.table(part, numbers, [*self.columns, *({"uid"} - set(self.columns))])
            for place, row, image in zip(here, table.to_pylist(), self.rows.images(part, numbers), strict=True):
                if isinstance(image, SampleError):
                    raise SampleError(image.code, f"sample {row['uid']}: {image}")
                columns = {name: row[name] for name in self.columns}
                rows[place] = columns | {"image": decoded(image, row["uid"])}
        return rows

    def _before(self, worker: int, workers: int) -> int:
        """Return how many samples of its share a worker gave in the batches to skip.

        Batches come from the workers in turn; shares differ by one sample, so some workers may have one batch more.
        """
        batches, size = self._skipped
        bounds = [Share(each, workers).bounds(len(self)) for each in range(workers)]
        given = [-(-(stop - start) // size) for start, stop in bounds]
        rounds, rest = divmod(batches, workers)
        if rounds >= min(given):
            rounds, rest = min(given), batches - workers * min(given)
        next_in_turn = [each for each in range(workers) if given[each] > rounds][:rest]
        start, stop = bounds[worker]
        return min(size * (rounds + (worker in next_in_turn)), stop - start)

    def _with(self, name: str, value: Any) -> "TorchSamples":
        other = TorchSamples(self.rows, self.columns, self.order)
        other.__dict__.update(self.__dict__ | {name: value})
        return other
