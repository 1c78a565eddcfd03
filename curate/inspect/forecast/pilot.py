"""What a pilot has told: how many rows come to each stage, what a row costs a worker, tokens and bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from curate.dataset.cells import Cells
from curate.dataset.manifest import Manifest
from curate.errors import PlanError
from curate.inspect.query import query
from curate.pipeline import Segment, Step
from curate.run.pace import GUESS
from curate.run.planner import Plan
from curate.stages import SAMPLE_STAGE, Expert
from curate.storage.store import Store

__all__ = ["Pilot", "Shares", "read_pilot"]

Shares: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a pilot has told; `reach` float[shards, stages + 1]: samples that came to each stage, the kept ones last.

    `rates` are seconds of a worker for a row of each segment, `stages` rows, errors and seconds of a thread by label.
    """

    manifest: Manifest
    steps: tuple[Step, ...]
    segments: tuple[Segment, ...]
    reach: Shares
    rates: tuple[float, ...]
    stages: Mapping[str, Mapping[str, float]]
    workers: tuple[int, ...]
    tokens: Mapping[str, tuple[float, float]]
    stored: Mapping[str, float]

    @property
    def samples(self) -> int:
        return int(self.reach[:, 0].sum())

    def share(self, stage: int) -> float:
        """Return the share of all samples that came to a stage, or is kept where `stage` is their number."""
        return float(self.reach[:, stage].sum() / self.samples) if self.samples else 0.0


def read_pilot(store: Store, manifest: Manifest, plan: Plan) -> Pilot:
    """Return what a finished pilot has told; raises PlanError where it measured nothing."""
    steps, segments = plan.spec.steps, tuple(plan.spec.segments())
    costs = manifest.counts.get("costs") or {}
    measured = costs.get("measured")
    if not measured:
        raise PlanError(
            f"all samples of the pilot were measured by earlier runs of {store.root}: what they cost is not known any "
            "more; give another dataset folder, or another number of samples"
        )
    placed = (costs.get("placement") or {}).get("segments") or []
    paced = [tuple(each.get("paced") or (0, 0.0)) for each in placed] or [(0, 0.0)] * len(segments)
    rates = tuple(_rate(steps, each, pace, measured) for each, pace in zip(segments, paced, strict=True))
    workers = tuple(int(each["workers"]) for each in placed) or (1,) * len(segments)
    reach = _reach(store, manifest, steps)
    return Pilot(
        manifest,
        steps,
        segments,
        reach,
        rates,
        measured,
        workers,
        _tokens(store, manifest, steps),
        _stored(store, manifest, steps, measured),
    )


def _rate(steps: Sequence[Step], segment: Segment, pace: Sequence[float], measured: Mapping[str, Any]) -> float:
    """Return seconds of a worker for a row: as workers counted them, else by the stages, else a guess."""
    rows, seconds = pace
    if rows:
        return float(seconds / rows)
    labels = [step.label for step in steps[segment.first : segment.stop] if isinstance(step.stage, Expert)]
    each = [measured[label] for label in labels if label in measured]
    most = max((one["rows"] for one in each), default=0)
    return sum(one["seconds"] for one in each) / most if most else GUESS[segment.kind]


def _reach(store: Store, manifest: Manifest, steps: Sequence[Step]) -> Shares:
    """Return how many samples of each shard came to each stage, and were kept."""
    sql = "SELECT shard, dropped_by, error, count(*) AS n FROM samples GROUP BY ALL ORDER BY ALL"
    rows = query(store, sql, manifest.id).to_pylist()
    shards = {name: i for i, name in enumerate(dict.fromkeys(row["shard"] for row in rows))}
    reach = np.zeros((len(shards), len(steps) + 1))
    by_reason = {f"{how}{step.repr}": i for i, step in enumerate(steps) for how in ("", "unmeasured: ")}
    by_label = {step.label: i for i, step in enumerate(steps)}
    for row in rows:
        if row["dropped_by"] is not None:
            last = by_reason.get(row["dropped_by"], 0)
        elif row["error"] is not None:
            last = by_label.get(row["error"].partition(": ")[0], -1)
        else:
            last = len(steps)
        reach[shards[row["shard"]], : last + 1] += row["n"]
        reach[shards[row["shard"]], 0] += row["n"] if last < 0 else 0
    return reach


def _tokens(store: Store, manifest: Manifest, steps: Sequence[Step]) -> dict[str, tuple[float, float]]:
    """Return the mean tokens read and written for a row, by label of a stage with an engine."""
    found = {}
    for step in steps:
        names = step.stage.adds.names if isinstance(step.stage, Expert) else []
        asked, written = (
            next((name for name in names if name.endswith(end)), None)
            for end in ("_prompt_tokens", "_completion_tokens")
        )
        if asked and written:
            sql = f'SELECT avg("{asked}") AS asked, avg("{written}") AS written FROM samples'
            (row,) = query(store, sql, manifest.id).to_pylist()
            if row["asked"] is not None and row["written"] is not None:
                found[step.label] = (float(row["asked"]), float(row["written"]))
    return found


def _stored(store: Store, manifest: Manifest, steps: Sequence[Step], measured: Mapping[str, Any]) -> dict[str, float]:
    """Return the bytes that a cell takes for a row that was measured, by label."""
    cells, sizes = Cells(store), {}
    names = [shard.name for shard in manifest.shards(store)]
    for label, stage in [("sample", SAMPLE_STAGE), *((s.label, s.id) for s in steps if isinstance(s.stage, Expert))]:
        rows = (measured.get(label) or {}).get("rows") or 0
        paths = [path for name in names for path in cells.files_of(stage, name)]
        if rows:
            sizes[label] = sum(len(store.read_bytes(path)) for path in paths) / rows
    return sizes
