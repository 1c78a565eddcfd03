"""The record of a run: `runs/<id>.json`, and its shards in `runs/<id>.shards.parquet`."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from curate.errors import PlanError
from curate.pipeline import Step, added_columns, stage_labels
from curate.sources.shard import Shard
from curate.stages import CorpusStage, Filter, Gate, Measures, stage_name
from curate.storage.redact import mask_parameters, mask_text, mask_url
from curate.storage.store import Store

__all__ = [
    "Manifest",
    "StageRecord",
    "code_digest",
    "find_run",
    "finished_last",
    "latest",
    "load",
    "new_run_id",
    "placements",
    "run_ids",
    "save",
]

PLACEMENTS = 10  # runs that are looked through for rates
PACKAGES = ("curate", "filters", "pipelines", "schemas")


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage as it ran; `id` names the cells of one that measures, `arrow_schema` (base64) the columns it adds.

    The id of a corpus stage ends in the digest of its pool, as soon as the run knows it. A gate has the `repr` of its
    filter, as verdicts do, and the name of its `artefact`; `behind` are the indices of the gates that a stage respects.
    Of a filter or gate, `needs` are the columns that it reads and `bounds` its fields that are numbers.
    """

    name: str
    kind: Literal["expert", "corpus", "filter", "gate"]
    repr: str
    id: str | None = None
    arrow_schema: str | None = None
    artefact: str | None = None
    behind: Sequence[int] = ()
    needs: Sequence[str] = ()
    bounds: Mapping[str, float] = field(default_factory=dict)

    def schema(self) -> pa.Schema:
        """Return the columns the stage adds; none for a filter, and for a gate what it writes to the verdict."""
        if self.arrow_schema is None:
            return pa.schema([])
        return pa.ipc.read_schema(pa.BufferReader(base64.b64decode(self.arrow_schema)))


@dataclass(slots=True)
class Manifest:
    """What ran: enough to say where every value in the dataset comes from, and to run it again.

    `pools` names for each corpus stage the verdict of the stages before it: the samples that this keeps are its pool.
    """

    id: str
    recipe: str
    parameters: dict[str, Any]
    inputs: list[str]
    sample_stage: str
    stages: list[StageRecord]
    verdict: str
    limit: int | None
    code: str
    versions: dict[str, str]
    status: str = "running"
    started_at: str = ""
    finished_at: str | None = None
    seconds: float | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    pools: list[str] = field(default_factory=list)

    def labels(self) -> dict[str, str]:
        """Return what verdicts and people call each expert, by stage id; see `stage_labels`."""
        experts = [(stage.name, stage.id) for stage in self.stages if stage.id is not None]
        return dict(zip((each for _, each in experts), stage_labels(experts), strict=True))

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


def describe_stages(steps: Sequence[Step]) -> list[StageRecord]:
    """Return what the manifest says about each stage, in order."""
    records: list[StageRecord] = []
    gates: dict[int, Gate] = {}
    for i, step in enumerate(steps):
        if isinstance(step.stage, Measures):
            arrow = _encoded(plain(step.stage.adds))
            kind: Literal["expert", "corpus"] = "corpus" if isinstance(step.stage, CorpusStage) else "expert"
            columns = [*step.stage.needs, *step.stage.adds.names]
            behind = [at for at, gate in gates.items() if gate.owns(columns)]
            text = mask_text(step.repr)
            records.append(StageRecord(stage_name(step.stage), kind, text, step.id, arrow, behind=behind))
        elif isinstance(step.stage, Gate):
            added = _encoded(plain(added_columns(step.stage, [gate.column for gate in gates.values()])))
            gates[i], (name, text) = step.stage, (stage_name(step.stage), repr(step.stage.filter))
            record = StageRecord(name, "gate", text, None, added, step.stage.artefact)
            records.append(replace(record, needs=step.stage.needs, bounds=_bounds(step.stage.filter)))
        else:
            record = StageRecord(stage_name(step.stage), "filter", step.repr)
            records.append(replace(record, needs=step.stage.needs, bounds=_bounds(step.stage)))
    return records


def _bounds(condition: Filter) -> dict[str, float]:
    """Return the fields of a filter that are numbers."""
    if not is_dataclass(condition):
        return {}
    values = {each.name: getattr(condition, each.name) for each in fields(condition)}
    return {name: v for name, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def _encoded(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema of nullable fields without metadata."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def code_digest() -> str:
    """Return 16 hex digits over the source of the four packages."""
    state = hashlib.blake2b(digest_size=8)
    root = Path(__file__).resolve().parents[2]
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
    newest = run_ids(store)[-1:]
    if newest and newest[0].partition("-")[2] == suffix:
        return newest[0]
    number = int(newest[0].partition("-")[0]) + 1 if newest else 1
    return f"{number:06d}-{suffix}"


def save(store: Store, manifest: Manifest, shards: list[Shard] | None = None) -> None:
    """Write the manifest; with `shards`, their list first. Passwords, signatures and keys are left out."""
    if shards is not None:
        columns = {name: [getattr(shard, name) for shard in shards] for name in SHARDS.names}
        columns["url"] = [mask_url(shard.url) for shard in shards]
        store.write_table(f"runs/{manifest.id}.shards.parquet", pa.table(columns, schema=SHARDS))
    masked = {
        "inputs": [mask_url(text) for text in manifest.inputs],
        "parameters": mask_parameters(manifest.parameters),
        "status": mask_text(manifest.status),
    }
    text = json.dumps(asdict(manifest) | masked, indent=1, sort_keys=True, default=str)
    store.write_bytes(f"runs/{manifest.id}.json", text.encode() + b"\n")


def load(store: Store, run_id: str) -> Manifest:
    """Read one manifest; raises PlanError naming the runs there are."""
    runs = run_ids(store)
    if run_id not in runs:
        raise PlanError(f"{store.root} has no run {run_id!r}; it has {', '.join(runs[-5:]) or 'none'}")
    fields = json.loads(store.read_bytes(f"runs/{run_id}.json"))
    return Manifest(**{**fields, "stages": [StageRecord(**stage) for stage in fields["stages"]]})


def finished_last(store: Store) -> bool:
    """Tell whether the newest run ended by itself; False too if nothing ever ran."""
    runs = run_ids(store)
    return bool(runs) and json.loads(store.read_bytes(f"runs/{runs[-1]}.json"))["status"] == "finished"


def placements(store: Store) -> list[dict[str, Any]]:
    """Return how the workers of the last runs were placed, the newest first; see `curate.run.placement_record`."""
    found = []
    for run in reversed(run_ids(store)[-PLACEMENTS:]):
        counts = json.loads(store.read_bytes(f"runs/{run}.json")).get("counts") or {}
        if counts.get("placement"):
            found.append(counts["placement"])
    return found


def latest(store: Store) -> Manifest:
    """Read the newest manifest; raises PlanError if nothing ever ran here."""
    runs = run_ids(store)
    if not runs:
        raise PlanError(f"{store.root} is not a dataset: no run in {store.url('runs')}; give the folder of a run")
    return load(store, runs[-1])


def find_run(store: Store, run_id: str | None) -> Manifest:
    """Read the manifest of a run, of the newest for null; raises PlanError if there is none."""
    return load(store, run_id) if run_id else latest(store)


def run_ids(store: Store) -> list[str]:
    """Return the ids of all runs, oldest first."""
    return [name.removesuffix(".json") for name in store.list("runs") if name.endswith(".json")]
