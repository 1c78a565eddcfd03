"""Pack chat turns into fixed rows for the nano VLM's training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

__all__ = ["Batch", "Rows", "Tokens", "pack"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One chat turn as token ids, with the offsets of its image run and its answer, and its image's number."""

    ids: Sequence[int]
    image: int
    answer: int
    owner: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Chat turns packed into R rows of L tokens."""

    ids: torch.Tensor  # int64[R, L]
    labels: torch.Tensor  # int64[R, L], already shifted, -100 outside answers
    weights: torch.Tensor  # float32[R, L], per label
    positions: torch.Tensor  # int64[3, R, L]: time, height, width
    docs: torch.Tensor  # int64[R, L]: which chat turn a token belongs to, -1 for padding
    owners: torch.Tensor  # int64[turns]: image of every image run, in row-major order

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Rows":
        """Apply a function to every tensor."""
        return Rows(*(change(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Images uint8[n, H, W, 3] of one grid, their cell targets bool[n, cells, labels], and the packed turns."""

    pixels: torch.Tensor
    aux: torch.Tensor
    rows: Rows

    def to(self, device: str) -> "Batch":
        """Copy to the device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Pin all tensors; called by the data loader."""
        return self._map(torch.Tensor.pin_memory)

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        return Batch(change(self.pixels), change(self.aux), self.rows.map(change))


def pack(turns: Sequence[Tokens], rows: int, length: int, grid: tuple[int, int]) -> Rows:
    """Pack turns first-fit into `rows` rows of `length` tokens; what does not fit is left out."""
    ids, labels = np.zeros((rows, length), np.int64), np.full((rows, length), -100, np.int64)
    weights, docs = np.zeros((rows, length), np.float32), np.full((rows, length), -1, np.int64)
    positions, used = np.zeros((3, rows, length), np.int64), np.zeros(rows, np.int64)
    cells, owners = grid[0] * grid[1], []
    for number, turn in enumerate(turns):
        free = np.flatnonzero(used + len(turn.ids) <= length)
        if not len(free):
            continue
        r, a = int(free[0]), int(used[free[0]])
        used[r] = b = a + len(turn.ids)
        ids[r, a:b], docs[r, a:b] = turn.ids, number
        labels[r, a + turn.answer - 1 : b - 1] = turn.ids[turn.answer :]
        weights[r, a + turn.answer - 1 : b - 1] = (80 / (len(turn.ids) - turn.answer)) ** 0.5
        text = np.arange(len(turn.ids))
        text[turn.image + cells :] -= cells - max(grid)
        positions[:, r, a:b] = text
        at = np.arange(cells)
        image = slice(a + turn.image, a + turn.image + cells)
        positions[:, r, image] = turn.image + np.stack([0 * at, at // grid[1], at % grid[1]])
        owners.append((r, a, turn.owner))
    tensors = [torch.from_numpy(array) for array in (ids, labels, weights, positions, docs)]
    return Rows(*tensors, owners=torch.tensor([owner for _, _, owner in sorted(owners)]))
