"""What a manifest says about placement, and what the next run learns from it."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from curate.pipeline import Segment, Step
from curate.run.cluster import Cluster
from curate.run.pace import PILOT_ROWS, Pace, Rate
from curate.run.pools import Pool
from curate.run.sizing import Sizer
from curate.stages import Expert

__all__ = ["PlacementRecord", "earlier_rates", "machine", "placement_record"]

PlacementRecord: TypeAlias = dict[str, Any]
"""`machine`, and per segment: `stages` (ids of its experts), `kind`, `pool`, `workers` (the most it had), `rows`,
`rows_per_shard`, `seconds_per_row` of a worker, `yield`, its rows as a share of those of the first segment, and
`paced`, the rows and seconds of workers that the rate was measured on."""


def placement_record(
    steps: Sequence[Step], sizer: Sizer, pools: Sequence[Pool], paces: Mapping[int, Pace], where: str
) -> PlacementRecord:
    """Return what the manifest records; a rate is null where too few rows were measured to tell."""
    rates, first = sizer.rates, sizer.rates.rows.get(0, 0)
    records = []
    for i, pool in enumerate(pools):
        for index in pool.indices:
            segment, pace = sizer.segments[index], paces.get(index, Pace())
            rows, shards = rates.rows.get(index, 0), rates.done.get(index, 0)
            records.append(
                {
                    "stages": _ids(steps, segment),
                    "kind": segment.kind,
                    "pool": i,
                    "workers": sizer.most.get(i, 0),
                    "rows": rows,
                    "rows_per_shard": round(rows / shards, 2) if shards else None,
                    "seconds_per_row": round(pace.seconds / pace.rows, 6) if pace.rows >= PILOT_ROWS else None,
                    "yield": round(rows / first, 4) if first else None,
                    "paced": [pace.rows, round(pace.seconds, 3)],
                }
            )
    return {"machine": where, "segments": records}


def earlier_rates(
    records: Sequence[PlacementRecord], steps: Sequence[Step], segments: Sequence[Segment], where: str
) -> dict[int, Rate]:
    """Return what earlier runs measured of the same stages on the same kind of machine, the newest first."""
    known = {}
    for index, segment in enumerate(segments):
        ids = _ids(steps, segment)
        same = [
            each
            for record in records
            if record.get("machine") == where
            for each in record.get("segments", ())
            if each["stages"] == ids and each["seconds_per_row"] is not None
        ]
        if same and ids:
            known[index] = Rate(same[0]["seconds_per_row"], same[0]["rows_per_shard"])
    return known


def machine(cluster: Cluster) -> str:
    """Return the kind of machine: the driver's processor, and the kinds of GPU of the cluster."""
    gpus = {name for node in cluster.nodes for name, _ in node.custom if name.startswith("accelerator_type:")}
    return ", ".join([_processor(), *sorted(name.partition(":")[2] for name in gpus)])


def _processor() -> str:
    """Return the model name of this machine's processor, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _ids(steps: Sequence[Step], segment: Segment) -> list[str]:
    return [step.id for step in steps[segment.first : segment.stop] if isinstance(step.stage, Expert)]
