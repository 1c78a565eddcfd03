"""Take over scores and embeddings that others measured, so that nobody measures twice."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from curate.errors import PlanError, SampleError
from curate.experts.score_files import SCORES, ScoreFiles, ScoreIndex, number_in
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.imported_scores import IMPORTED_SCORES

__all__ = ["ImportedScores"]

Found = dict[str, Any]


@dataclass(frozen=True)
class ImportedScores:
    """Add the scores that LAION's and DataComp's metadata have of a sample; see `schemas.imported_scores`.

    Without `files` they are read from the sample's own metadata: the .json member, or the other columns of a Parquet
    row. With `files` they come from a folder of Parquet files, found `by` the key of the sample (its name without
    folders, as img2dataset gives it) or by what its metadata calls uid, url or sha256. `embedding` names an array of
    the npz beside each of these files, rows in the same order: "l14_img" or "b32_img" of DataComp. A sample without a
    row, or without any of the scores, is an error row, `scores_missing`; unless `required` is false: then its columns
    are null. Rows of one key that differ are `scores_ambiguous`.
    An index (52 bytes a row, on disk) is made once on each machine, file after file; memory does not grow with it.
    Source: the columns of LAION-5B (arXiv 2210.08402) and DataComp (arXiv 2304.14108).
    """

    files: ScoreFiles | None = None
    by: Literal["key", "uid", "url", "sha256"] = "key"
    embedding: str = ""
    required: bool = True
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("key", "metadata")
    adds: ClassVar[pa.Schema] = IMPORTED_SCORES
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=1_024), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.by not in ("key", "uid", "url", "sha256"):
            raise PlanError(f"ImportedScores: by={self.by!r}: give 'key', 'uid', 'url' or 'sha256'")
        if self.embedding and self.files is None:
            raise PlanError("ImportedScores: embedding is an array beside files; give files too")

    def check(self) -> None:
        if self.files is not None:
            self.files.files()

    def load(self) -> Scorer:
        look = self._own if self.files is None else self._in(self.files.index(self.by))

        def measure(batch: Batch) -> Measurement:
            found, errors = [], []
            for row in batch.table.select(["key", "metadata"]).to_pylist():
                values, error = self._find(row, look)
                found.append(values)
                errors.append(error)
            return Measurement({name: [row.get(name) for row in found] for name in IMPORTED_SCORES.names}, errors)

        return measure

    def _find(
        self, row: Mapping[str, Any], look: Callable[[Mapping[str, Any]], Found]
    ) -> tuple[Found, SampleError | None]:
        try:
            return look(row), None
        except SampleError as error:
            optional = error.code == "scores_missing" and not self.required
            return {}, None if optional else error

    def _own(self, row: Mapping[str, Any]) -> Found:
        """Return the scores in a sample's own metadata."""
        own = {name.casefold(): value for name, value in _metadata(row).items()}
        numbers = {ours: _first(own, theirs) for ours, theirs in SCORES.items()}
        if all(value is None for value in numbers.values()):
            raise SampleError("scores_missing", "the metadata of the sample has none of the scores")
        return _as_columns(numbers)

    def _in(self, index: ScoreIndex) -> Callable[[Mapping[str, Any]], Found]:
        def look(row: Mapping[str, Any]) -> Found:
            key = row["key"].rpartition("/")[2] if self.by == "key" else _metadata(row).get(self.by)
            if not isinstance(key, str):
                raise SampleError("scores_missing", f"the metadata of the sample has no {self.by}")
            record = index.find(key)
            values = {name: None if np.isnan(record[name]) else float(record[name]) for name in SCORES}
            found = _as_columns(values)
            if self.embedding:
                found["imported_embedding"] = index.embedding(record, self.embedding)
            return found

        return look


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    try:
        metadata = json.loads(row["metadata"] or "{}")
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((number for name in names if (number := number_in(values.get(name))) is not None), None)


def _as_columns(values: Mapping[str, float | None]) -> Found:
    faces = values["imported_face_count"]
    return {**values, "imported_face_count": None if faces is None else int(faces)}
