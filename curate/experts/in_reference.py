"""Look whether an image is in an evaluation set or in an earlier dataset."""

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curate.experts.reference_embeddings import Nearest
from curate.experts.reference_files import References, check_reference, read_references
from curate.similarity.fingerprint_rows import describe_all, face_rows, fingerprint_rows
from curate.similarity.lookup import make_index
from curate.similarity.near_pairs import find_near_pairs, of_pictures
from curate.stages import Batch, Measurement, Resources, Scorer
from curate.storage.file_digest import file_identity
from schemas.reference import REFERENCE

__all__ = ["InReference"]


@dataclass(frozen=True, repr=False)
class InReference:
    """Add whether an image is in one of some references, and in which; see `schemas.reference`.

    `references` are files that `curate reference` made of images: evaluation sets, earlier datasets. An image is in one
    if its bytes are, or if it shows the same picture, with log odds of at least `surety`, as `NearDuplicates` finds it.
    With `embedding`, a column of the model that measured the references, it is in one also if the nearest of their
    embeddings has a cosine of at least `min_cosine`. Each worker holds them in memory, about 5 kB an image, and 4 bytes
    a number of an embedding. The identity of the stage is what the files hold.
    Source: mOSCAR's decontamination by perceptual hash (Futeral et al. 2024, arXiv 2406.08707); `min_cosine` is ours.
    """

    references: tuple[str, ...] = ()
    surety: float = 2.5
    embedding: str | None = None
    min_cosine: float = 0.95
    resources: Resources = field(default=Resources(batch_rows=256), compare=False)
    version: ClassVar[int] = 3
    adds: ClassVar[pa.Schema] = REFERENCE
    pixels: ClassVar[int | None] = None

    def __repr__(self) -> str:
        files = ", ".join(f"({file_identity(path)})" for path in self.references)
        near = f", embedding={self.embedding!r}, min_cosine={self.min_cosine!r}" if self.embedding else ""
        return f"InReference(references=({files}), surety={self.surety!r}{near})"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("image_fingerprint", "image_fingerprint_aspect", *([self.embedding] if self.embedding else []))

    def check(self) -> None:
        """Raise PlanError if a file is missing, or holds another hash."""
        for path in self.references:
            file_identity(path)
            check_reference(path)

    def load(self) -> Scorer:
        references = read_references(self.references)
        return _Search(references, self.surety, Nearest.of(references, self.embedding, self.min_cosine))


class _Search:
    """References in memory, and the scorer that looks images up in them."""

    def __init__(self, references: References, surety: float, nearest: Nearest | None) -> None:
        self.sources, self.surety, self.nearest = references.sources, surety, nearest
        self.keys: list[str] = references.rows["reference_key"].to_pylist()
        held = fingerprint_rows(references.rows)
        nodes = np.flatnonzero(held.valid)
        faces = face_rows(held, nodes)
        self.index, self.faces, self.owners = make_index(describe_all(faces)), faces.pictures(), nodes[faces.owners]
        self.equal: dict[str, list[int]] = {}
        for row, digest in enumerate(references.rows["image_sha256"].to_pylist()):
            self.equal.setdefault(digest, []).append(row)

    def __call__(self, batch: Batch) -> Measurement:
        rows = fingerprint_rows(batch.table)
        chosen = np.flatnonzero(rows.valid)
        faces = face_rows(rows, chosen)
        names = np.full(len(faces.owners), np.iinfo(np.uint64).max, np.uint64)  # the same fingerprint is a hit here
        found = find_near_pairs(faces.pictures(), names, self.index, self.faces.take, self.surety)
        hits: list[dict[int, float]] = [{} for _ in range(len(batch))]
        near = of_pictures(found, chosen[faces.owners], self.owners)
        for row, other, score in zip(near.query.tolist(), near.row.tolist(), near.score.tolist(), strict=True):
            hits[row][other] = float(1 / (1 + np.exp(score)))
        for row, payload in enumerate(batch.payloads):
            digest = hashlib.sha256(payload).hexdigest()
            hits[row].update(dict.fromkeys(self.equal.get(digest, ()), 0.0))
        none: list[float | None] = [None] * len(batch)
        cosine = self.nearest.add(hits, batch.table) if self.nearest else none
        return self._columns(hits, cosine)

    def _columns(self, hits: list[dict[int, float]], cosine: list[float | None]) -> Measurement:
        best = [min(each, key=lambda row: (each[row], row)) if each else None for each in hits]
        values = (
            [len(each) for each in hits],
            [None if row is None else self.sources[row] for row in best],
            [None if row is None else self.keys[row] for row in best],
            [None if row is None or each[row] > 1 else each[row] for row, each in zip(best, hits, strict=True)],
            cosine,
        )
        return Measurement(dict(zip(REFERENCE.names, values, strict=True)))
