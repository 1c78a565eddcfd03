"""Measure a judge, or any score of a caption, against labels: what a gate needs before it may be used."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from curate.captions.judging.calibration import Bar, Calibration, agreement
from curate.errors import PlanError, SampleError
from curate.experts.caption_judge import CaptionJudge
from curate.inspect.show import image_bytes
from curate.models.weights import digest
from curate.pipeline import FailureLimits, Pipeline
from curate.run.local import measure_cells
from curate.run.scoring import Payload
from curate.stages import Expert, stage_id
from curate.storage.store import Store
from schemas.sample import SAMPLE

__all__ = ["JUDGED", "Gate", "calibrate", "calibration_table", "read_gates", "read_set"]


@dataclass(frozen=True, slots=True)
class Gate:
    """A decision to be measured: keep a caption when `column` is at least `minimum`; `axis` is its label."""

    axis: str
    column: str
    minimum: float


JUDGED: Final = (Gate("vir", "caption_vir", 3), Gate("ita", "caption_ita", 3))
"""The gates of SAIL-VL2 (arXiv 2509.14033): below 3 of 5 on either axis is dropped."""


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled caption: its image as stored, or why there is none, and its labels by axis."""

    payload: Payload
    caption: str
    labels: Mapping[str, float]


def calibrate(pipeline: Pipeline, labels: Path, items: Sequence[Item], gates: Sequence[Gate] = JUDGED) -> Calibration:
    """Run what the gates' columns need of a pipeline's experts over a labelled set, in this process, and compare.

    Captions come from the set: an expert that would write them is not run. Raises PlanError if no expert of the
    pipeline adds a column, or it needs more than an image and a caption.
    """
    judge = _producer(pipeline, gates)
    text = judge.text if isinstance(judge, CaptionJudge) else "caption"
    experts = _needed(pipeline, judge, text)
    scores = _scores(experts, items, text, [gate.column for gate in gates])
    axes = {}
    for gate in gates:
        at = [i for i, item in enumerate(items) if gate.axis in item.labels]
        values = [scores[gate.column][i] for i in at]
        axes[gate.axis] = agreement(gate.column, gate.minimum, [items[i].labels[gate.axis] for i in at], values)
    return Calibration(
        judge=stage_id(judge),
        engine=judge.engine.name if isinstance(judge, CaptionJudge) else None,
        prompt=judge.prompt.id if isinstance(judge, CaptionJudge) else None,
        stages=tuple(stage_id(expert) for expert in experts),
        labels=f"{labels.name} ({len(items)} captions, blake2b {digest(labels)})",
        axes=axes,
    )


def read_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """Return gates written as label:column:minimum; the judge's two when there are none.

    >>> read_gates(["ita:caption_object_precision:0.9"])
    (Gate(axis='ita', column='caption_object_precision', minimum=0.9),)
    """
    gates = []
    for text in texts:
        parts = text.split(":")
        try:
            axis, column, minimum = parts[0], parts[1], float(parts[2])
        except (IndexError, ValueError) as error:
            raise PlanError(f"--gate {text!r} is not label:column:minimum, such as ita:caption_ita:3") from error
        gates.append(Gate(axis, column, minimum))
    return tuple(gates) or JUDGED


def read_set(path: Path, store: Store | None = None) -> list[Item]:
    """Read a labelled set: JSONL or Parquet, a row per caption.

    `caption` and one column or key per label (a number, or true for good and false for bad); the image as `image`, a
    path beside the file or, in Parquet, a struct with `bytes`; or as `uid`, a sample of a dataset's newest run. Other
    keys that hold no number are passed over. Raises PlanError that names the line.
    """
    if not path.is_file():
        raise PlanError(f"no calibration set {path}")
    items = [_item(row, where, path.parent, store) for where, row in _rows(path)]
    if not items:
        raise PlanError(f"the calibration set {path} holds no captions")
    return items


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if path.suffix == ".parquet":
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise PlanError(f"{path} is not Parquet: {error}") from error
        yield from ((f"{path.name} row {i}", row) for i, row in enumerate(table.to_pylist()))
        return
    for i, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise PlanError(f"{path.name} line {i} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise PlanError(f"{path.name} line {i} is not a JSON object")
            yield f"{path.name} line {i}", row


def _item(row: dict[str, Any], where: str, folder: Path, store: Store | None) -> Item:
    values = {name: _label(value) for name, value in row.items() if name not in ("image", "uid", "caption")}
    labels = {name: value for name, value in values.items() if value is not None}
    if not isinstance(row.get("caption"), str) or not labels:
        raise PlanError(f"{where}: it needs a text `caption` and at least one label, a number or true or false")
    image, uid = row.get("image"), row.get("uid")
    payload: Payload
    if isinstance(image, dict) and isinstance(image.get("bytes"), bytes):
        payload = image["bytes"]
    elif isinstance(image, str):
        if not (folder / image).is_file():
            raise PlanError(f"{where}: there is no image {folder / image}")
        payload = (folder / image).read_bytes()
    elif isinstance(uid, str) and store is not None:
        try:
            payload = image_bytes(store, uid)
        except SampleError as error:
            payload = error
    else:
        raise PlanError(f"{where}: it needs an image: `image`, or `uid` with --dataset")
    return Item(payload, row["caption"], labels)


def _label(value: Any) -> float | None:
    if isinstance(value, bool):
        return 5.0 if value else 1.0
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _producer(pipeline: Pipeline, gates: Sequence[Gate]) -> Expert:
    producers = [next((e for e in pipeline.experts if gate.column in e.adds.names), None) for gate in gates]
    if len({repr(producer) for producer in producers}) != 1 or producers[0] is None:
        columns = sorted({name for expert in pipeline.experts for name in expert.adds.names})
        missing = ", ".join(gate.column for gate in gates)
        raise PlanError(f"no expert of the recipe adds {missing}; its experts add {', '.join(columns)}")
    return producers[0]


def _needed(pipeline: Pipeline, judge: Expert, text: str) -> list[Expert]:
    """Return the experts to run, in order: the judge, and those whose columns it needs and the set does not give."""
    needs, chain = set(judge.needs) - {text}, [judge]
    before = list(pipeline.experts)[: list(pipeline.experts).index(judge)]
    for expert in reversed(before):
        if needs & set(expert.adds.names) and text not in expert.adds.names:
            chain.append(expert)
            needs = (needs - set(expert.adds.names)) | (set(expert.needs) - {text})
    if missing := sorted(needs - {"uid", *SAMPLE.names}):
        raise PlanError(f"{stage_id(judge)} needs {', '.join(missing)}, which a labelled set does not give")
    return chain[::-1]


def _scores(
    experts: Sequence[Expert], items: Sequence[Item], text: str, columns: Sequence[str]
) -> dict[str, list[float | None]]:
    """Return the values of some columns of the last expert, per item; null where it or one before it failed."""
    pipeline = Pipeline(experts, FailureLimits(max_error_frac=None))
    table = pa.table({text: pa.array([item.caption for item in items], pa.string())})
    steps = pipeline.resolve()
    cell = measure_cells(pipeline, table, [item.payload for item in items], steps=steps).get(steps[-1].id)
    return {name: [None] * len(items) if cell is None else cell[name].to_pylist() for name in columns}


def calibration_table(calibration: Calibration, bar: Bar) -> Table:
    """Return what was measured, as a table: a line per axis, and whether a gate may use it."""
    table = Table(title=f"{calibration.judge} on {calibration.labels}", title_justify="left")
    names = ["items", "good", "unscored", "kept precision", "kept recall", "dropped precision", "dropped recall"]
    for name in ("axis", "keep", *names, "accuracy", "kappa", "exact", "may be used"):
        table.add_column(name)
    for axis, agreed in calibration.axes.items():
        values = [getattr(agreed, name.replace(" ", "_")) for name in (*names, "accuracy", "kappa", "exact")]
        usable = "no" if bar.shortfalls(axis, agreed) else "yes"
        cells = ["-" if value is None else str(value) for value in values]
        table.add_row(axis, f"{agreed.column} >= {agreed.minimum:g}", *cells, usable)
    return table
