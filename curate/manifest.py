"""The record of a run: `runs/<id>.json`, and its shards in `runs/<id>.shards.parquet`."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.errors import PlanError
from curate.pipeline import Pipeline
from curate.sources.shard import Shard
from curate.stages import Expert, stage_id, stage_name
from curate.store import Store

__all__ = ["Manifest", "code_digest", "latest", "load", "new_run_id", "save"]

PACKAGES = ("curate", "filters", "pipelines", "schemas")


@dataclass(slots=True)
class Manifest:
    """What ran: enough to say where every value in the dataset comes from, and to run it again."""

    id: str
    recipe: str
    parameters: dict[str, Any]
    inputs: list[str]
    sample_stage: str
    stages: list[dict[str, Any]]
    verdict: str
    limit: int | None
    code: str
    versions: dict[str, str]
    status: str = "running"
    started_at: str = ""
    finished_at: str | None = None
    seconds: float | None = None
    counts: dict[str, Any] = field(default_factory=dict)

    def shards(self, store: Store) -> list[Shard]:
        """Return the shards of the run, in order."""
        rows = store.read_table(f"runs/{self.id}.shards.parquet").to_pylist()
        return [
            Shard(r["name"], r["kind"], r["url"], r["size_bytes"], tuple(r["files"] or ()), r["limit"]) for r in rows
        ]


SHARDS = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("url", pa.string()),
        ("size_bytes", pa.int64()),
        ("files", pa.list_(pa.string())),
        ("limit", pa.int64()),
    ]
)


def describe_stages(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return what the manifest says about each stage, in order."""
    return [
        {
            "name": stage_name(stage),
            "kind": "expert" if isinstance(stage, Expert) else "filter",
            "id": stage_id(stage) if isinstance(stage, Expert) else None,
            "repr": repr(stage),
            "columns": stage.adds.names if isinstance(stage, Expert) else [],
        }
        for stage in pipeline.stages
    ]


def code_digest() -> str:
    """Return 16 hex digits over the source of the four packages."""
    state = hashlib.blake2b(digest_size=8)
    root = Path(__file__).resolve().parent.parent
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            state.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


def new_run_id(store: Store, recipe: str, identity: str) -> str:
    """Return the id of a run: a sequence number, the recipe and 8 hex digits of its identity.

    If the newest run has the same identity, this one continues it under the same id. No clock is involved.
    """
    digest = hashlib.blake2b(identity.encode(), digest_size=4).hexdigest()
    suffix = f"{recipe}-{digest}"
    newest = _ids(store)[-1:]
    if newest and newest[0].partition("-")[2] == suffix:
        return newest[0]
    number = int(newest[0].partition("-")[0]) + 1 if newest else 1
    return f"{number:06d}-{suffix}"


def save(store: Store, manifest: Manifest, shards: list[Shard] | None = None) -> None:
    """Write the manifest; with `shards`, their list first."""
    if shards is not None:
        rows = [{**asdict(shard), "files": list(shard.files)} for shard in shards]
        store.write_table(f"runs/{manifest.id}.shards.parquet", pa.Table.from_pylist(rows, schema=SHARDS))
    text = json.dumps(asdict(manifest), indent=1, sort_keys=True, default=str)
    store.write_bytes(f"runs/{manifest.id}.json", text.encode() + b"\n")


def load(store: Store, run_id: str) -> Manifest:
    """Read one manifest; raises PlanError naming the runs there are."""
    known = _ids(store)
    if run_id not in known:
        raise PlanError(f"{store.root} has no run {run_id!r}; it has {', '.join(known[-5:]) or 'none'}")
    return Manifest(**json.loads(store.read_bytes(f"runs/{run_id}.json")))


def latest(store: Store) -> Manifest:
    """Read the newest manifest; raises PlanError if nothing ever ran here."""
    known = _ids(store)
    if not known:
        raise PlanError(f"{store.root} is not a dataset: no run in {store.url('runs')}; give the folder of a run")
    return load(store, known[-1])


def _ids(store: Store) -> list[str]:
    return [name.removesuffix(".json") for name in store.list("runs") if name.endswith(".json")]
