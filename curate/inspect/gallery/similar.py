"""Samples whose embeddings are nearest to one sample's, or to a text's: exact, over all samples of a run."""

import tempfile
import threading
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import CurateError, PlanError
from curate.experts.clip import Clip, load_towers
from curate.inspect.gallery.frame import Frame
from curate.recipe import build, find_recipe
from curate.stages import stage_id

__all__ = ["Neighbours", "embedding_columns"]

MOST: Final = 2_000_000  # samples that are searched without an index
SHARDS: Final = 8  # read at a time
ROWS: Final = 65_536  # compared at a time

Vectors = npt.NDArray[np.float32]


@dataclass(slots=True)
class Neighbours:
    """The embeddings of one column, float32[n, d] of unit length in the order of the frame, in an unnamed file.

    The file is made when it is first needed, and is gone with the process; a null is a vector of zeros, and is never
    found.
    """

    frame: Frame
    column: str
    _lock: Any = field(default_factory=threading.Lock, repr=False)
    _vectors: Vectors | None = field(default=None, repr=False)
    _clip: Clip | None = field(default=None, repr=False)

    def of_sample(self, uid: str, most: int) -> list[tuple[int, float]]:
        """Return (n, cosine) of the samples nearest to one, itself first."""
        number = self.frame.find(uid)["n"]
        vector = np.asarray(self._load()[number])
        if not vector.any():
            raise PlanError(f"sample {uid} has no {self.column}: it was dropped before it was measured, or failed")
        return self._nearest(vector, most)

    def of_text(self, text: str, most: int) -> list[tuple[int, float]]:
        """Return (n, cosine) of the samples nearest to a text, by the text tower of the model that made the column.

        Raises PlanError where the recipe, open_clip or the weights are not here.
        """
        with self._lock:
            if self._clip is None:
                self._clip = _find_clip(self.frame, self.column)
            import torch

            with torch.inference_mode():
                vectors, _ = load_towers(self._clip).texts.encode([text])
        return self._nearest(vectors[0].float().cpu().numpy(), most)

    def _nearest(self, vector: Vectors, most: int) -> list[tuple[int, float]]:
        vectors = self._load()
        if vectors.shape[1] != len(vector):
            raise PlanError(f"{self.column} has {vectors.shape[1]} numbers a sample, the text {len(vector)}")
        found = np.empty(0, np.int64), np.empty(0, np.float32)
        for start in range(0, len(vectors), ROWS):
            cosines = vectors[start : start + ROWS] @ vector
            best = np.argpartition(-cosines, min(most, len(cosines) - 1))[:most]
            found = np.append(found[0], best + start), np.append(found[1], cosines[best])
        order = np.lexsort((found[0], -found[1]))[:most]
        return [(int(found[0][i]), float(found[1][i])) for i in order if found[1][i] != 0]

    def _load(self) -> Vectors:
        with self._lock:
            if self._vectors is None:
                if self.frame.size > MOST:
                    raise PlanError(f"images are compared one by one, up to {MOST:,} samples; this run has more")
                self._vectors = self._read()
            return self._vectors

    def _read(self) -> Vectors:
        """Write the embeddings of all samples to a file, some shards at a time, and map it."""
        vectors: Vectors | None = None
        names, start = sorted(self.frame.shards), 0
        for at in range(0, len(names), SHARDS):
            table = self._table(names[at : at + SHARDS])
            values = table[self.column].combine_chunks()
            lengths = pc.list_value_length(values).fill_null(0).to_numpy()
            numbers, width = np.arange(start, start + len(values)), int(lengths.max(initial=0))
            start += len(values)
            if not width:
                continue
            if vectors is None:
                with tempfile.TemporaryFile(prefix="curate-embeddings-") as file:  # gone with the process
                    vectors = np.memmap(file, np.float32, "w+", shape=(self.frame.size, width))
            if set(lengths.tolist()) - {0, vectors.shape[1]}:
                raise PlanError(f"{self.column}: its vectors are of different lengths")
            flat = np.asarray(values.flatten(), np.float32).reshape(-1, vectors.shape[1])
            norms = np.linalg.norm(flat, axis=1, keepdims=True)
            vectors[numbers[lengths > 0]] = flat / np.where(norms > 0, norms, 1)
        if vectors is None:
            raise PlanError(f"no sample of the run has {self.column}")
        return vectors

    def _table(self, names: list[str]) -> pa.Table:
        """Return the embeddings of the samples of some shards, in the order of the frame."""
        view = self.frame.view
        sql = view.sql([self.frame.shards[name] for name in names], ["uid", "shard", "row", self.column])
        return self.frame.ask_samples(f'SELECT "{self.column}" FROM ({sql}) ORDER BY shard, "row"')


def embedding_columns(frame: Frame) -> list[str]:
    """Return the columns of a run that are embeddings of images or texts."""
    schemas = frame.view.columns.values()
    return [f.name for schema in schemas for f in schema if f.name.endswith("embedding") and pa.types.is_list(f.type)]


def _find_clip(frame: Frame, column: str) -> Clip:
    """Return the expert that made a column, with its weights here, as its recipe names them."""
    run = frame.view.run
    try:
        given = [f"{name}={value}" for name, value in run.parameters.items()]
        experts = build(find_recipe(run.recipe), given)[0].experts
        clip = next((each for each in experts if column in each.adds.names), None)
        if not isinstance(clip, Clip):
            raise PlanError(f"{column} was not made by CLIP, so it is not compared with texts")
        if frame.view.columns.get(stage_id(clip)) is None:
            raise PlanError(f"the recipe {run.recipe} here is not the one that ran: its {column} differs")
        clip.check()
    except CurateError as error:
        raise PlanError(f"a text cannot be compared with images here: {error}") from error
    return clip
