"""Find the nearest of the embeddings that references hold."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import ContractError, PlanError
from curate.experts.reference_files import References
from curate.similarity.nearest import cosines, nearest, unit_vectors

__all__ = ["BY_EMBEDDING", "Nearest"]

BY_EMBEDDING: Final = 2.0
"""Stands for the probability of another picture where only the embedding is near: behind all hits by picture."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """Embeddings of references: unit vectors float32[k, d], their rows int64[k], and the least cosine of a hit."""

    column: str
    vectors: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    least: float

    @staticmethod
    def of(references: References, column: str | None, least: float) -> "Nearest | None":
        """Take them from the files; raises PlanError if one has none, or those of another model."""
        if column is None:
            return None
        rows, vectors = _vectors(references.rows, "embedding", "references")
        without = set(references.sources) - {references.sources[row] for row in rows.tolist()}
        if without:
            raise PlanError(
                f"InReference: {', '.join(sorted(without))} holds no embeddings; make it with `curate reference "
                "--from-dataset`, of a dataset whose recipe has Clip"
            )
        return Nearest(column, unit_vectors(vectors), rows, least)

    def add(self, hits: list[dict[int, float]], table: pa.Table) -> list[float | None]:
        """Add the nearest reference of each row to its hits, if near enough; return its cosine, null without one."""
        found: list[float | None] = [None] * table.num_rows
        rows, vectors = _vectors(table, self.column, self.column)
        if not len(rows) or not len(self.rows):
            return found
        if vectors.shape[1] != self.vectors.shape[1]:
            raise ContractError(
                f"InReference: {self.column} has {vectors.shape[1]} numbers, the references have "
                f"{self.vectors.shape[1]}: give references of the model that measured it"
            )
        mine = unit_vectors(vectors)
        straight = np.flatnonzero(~np.isnan(mine[:, 0]))
        best = nearest(mine[straight], self.vectors)
        for row, at, cosine in zip(rows[straight], best, cosines(mine[straight], self.vectors[best]), strict=True):
            found[row] = float(cosine)
            if cosine >= self.least:
                hits[row].setdefault(int(self.rows[at]), BY_EMBEDDING)
        return found


def _vectors(table: pa.Table, column: str, where: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return which rows have an embedding, and the embeddings."""
    values = table[column].combine_chunks()
    rows = np.flatnonzero(np.asarray(values.is_valid()).astype(bool))
    values = values.take(pa.array(rows))
    lengths = set(values.value_lengths().to_pylist())
    if len(lengths) > 1:
        raise PlanError(f"InReference: {where} have embeddings of {sorted(lengths)} numbers: of several models")
    dims = lengths.pop() if lengths else 0
    return rows, np.asarray(values.flatten().to_numpy(zero_copy_only=False)).reshape(len(rows), dims)
