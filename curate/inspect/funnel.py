"""Show a plan, the funnel of a run, what it recorded, and the next steps."""

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.dataset.manifest import Manifest, StageRecord, find_run
from curate.inspect.forecast.record import foreseen
from curate.inspect.query import query
from curate.inspect.tables import printable
from curate.pipeline import Step
from curate.run.planner import Plan
from curate.run.spec import RunRequest
from curate.stages import SOURCE_NAME
from curate.storage.store import Store

__all__ = ["funnel", "plan_table", "run_report", "status_report"]

LONGEST_LINE = 2_000  # characters; what a run recorded may quote anything
TEXTS = (("captioned", "caption"), ("preference pairs", "pair_chosen"))
"""Lines of the funnel about the kept samples, and the column that is not null in each."""


def plan_table(plan: Plan) -> RenderableType:
    """Return the plan as a table: shards by state, then per expert how many rows wait for it first."""
    states = Counter(each.state for each in plan.shards)
    about = "" if plan.exact() else "about "
    noun = "shard" if len(plan.shards) == 1 else "shards"
    head = Text(
        f"{len(plan.shards):,} {noun}: {states['done']:,} done, {states['open']:,} to go on with, "
        f"{states['new']:,} new; {about}{plan.rows():,} samples in the unfinished ones"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("expert")
    table.add_column("cells")
    table.add_column("there", justify="right")
    table.add_column("rows to measure first", justify="right")
    cells = plan.spec.cells
    for label, folder, waiting in plan.waiting():
        have = cells.shards(folder)
        there = sum(each.shard.name in have for each in plan.shards)
        rows = f"{about if waiting else ''}{waiting:,}"
        table.add_row(label, f"columns/{folder}", f"{there:,}/{len(plan.shards):,}", rows)
    for step in plan.later():
        table.add_row(step.label, f"columns/{step.id}", "", _later(plan, step))
    if plan.pool is not None:
        tail = f"the pool of {plan.then()} is known; what comes behind it is known when it is measured"
    elif not plan.unfinished:
        tail = "nothing to do"
    elif plan.needs_workers:
        tail = "rows that are kept go on to the experts below"
    else:
        tail = "only decisions are missing: no model will run"
    return Group(head, table, Text(tail))


def _later(plan: Plan, step: Step) -> str:
    """Return what is known of a stage behind the leg that a plan is about."""
    if step.label != plan.then():
        return f"known when {plan.then()} is done"
    if plan.pool is None:
        return "the whole pool again, once it is known"
    return f"the whole pool again: {sum(plan.pool.sizes):,}"


def funnel(store: Store, manifest: Manifest) -> list[tuple[str, int]]:
    """Return (what, samples) from the source to what is kept, in pipeline order."""
    sql = "SELECT dropped_by, error, count(*) AS n FROM samples GROUP BY ALL"
    rows = query(store, sql, manifest.id).to_pylist()
    total = sum(row["n"] for row in rows)
    steps, labels = [("samples in", total)], manifest.labels()
    for stage in manifest.stages:
        if stage.kind == "gate":
            steps += _gated(store, manifest, stage)
        elif stage.id is not None:
            failed = sum(r["n"] for r in rows if (r["error"] or "").startswith(f"{labels[stage.id]}: "))
            steps += [(f"failed in {labels[stage.id]}", failed)] if failed else []
        else:
            steps.append((f"dropped by {stage.repr}", sum(r["n"] for r in rows if r["dropped_by"] == stage.repr)))
            unmeasured = sum(r["n"] for r in rows if r["dropped_by"] == f"unmeasured: {stage.repr}")
            steps += [(f"unmeasured for {stage.repr}", unmeasured)] if unmeasured else []
    unreadable = sum(r["n"] for r in rows if (r["error"] or "").startswith(f"{SOURCE_NAME}: "))
    steps.insert(1, ("unreadable in the source", unreadable))
    steps.append(("kept", sum(r["n"] for r in rows if r["dropped_by"] is None and r["error"] is None)))
    return steps + _texts(store, manifest)


def _gated(store: Store, manifest: Manifest, gate: StageRecord) -> list[tuple[str, int]]:
    """Return the line of a gate: of how many samples it dropped the artefact, and of how many it could not tell."""
    sql = f'SELECT "{gate.artefact}_dropped_by" AS reason, count(*) AS n FROM samples GROUP BY ALL'
    counts = {row["reason"]: row["n"] for row in query(store, sql, manifest.id).to_pylist()}
    unmeasured = counts.get(f"unmeasured: {gate.repr}", 0)
    lines = [(f"{gate.artefact} dropped by {gate.repr}", counts.get(gate.repr, 0))]
    return lines + ([(f"{gate.artefact} unmeasured for {gate.repr}", unmeasured)] if unmeasured else [])


def _texts(store: Store, manifest: Manifest) -> list[tuple[str, int]]:
    columns = [name for stage in manifest.stages for name in stage.schema().names]
    texts = [(label, name) for label, name in TEXTS if name in columns]
    if not texts:
        return []
    gates = {f"{stage.artefact}_": f"{stage.artefact}_dropped_by" for stage in manifest.stages if stage.artefact}
    alive = {name: next((gates[at] for at in gates if f"{name}_".startswith(at)), None) for _, name in texts}
    only = {name: f" FILTER ({gate} IS NULL)" if gate else "" for name, gate in alive.items()}
    counts = ", ".join(f"count({name}){only[name]}" for _, name in texts)
    kept = "dropped_by IS NULL AND error IS NULL"
    row = query(store, f"SELECT {counts} FROM samples WHERE {kept}", manifest.id)
    return [(label, row.column(i)[0].as_py()) for i, (label, _) in enumerate(texts)]


def funnel_table(steps: Sequence[tuple[str, int]]) -> Table:
    """Return the funnel as a table."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("what")
    table.add_column("samples", justify="right")
    for what, samples in steps:
        table.add_row(Text(printable(what, LONGEST_LINE)), f"{samples:,}")
    return table


def run_report(request: RunRequest, manifest: Manifest) -> RenderableType:
    """Return the end of a run: funnel, where the output lies, three things to try next."""
    store = Store(request.dataset)
    folder, shards = shlex.quote(request.dataset), shlex.quote(f"{request.dataset.rstrip('/')}-shards")
    curate = program()
    next_steps = [
        f'{curate} query {folder} "SELECT dropped_by, count(*) AS samples FROM samples GROUP BY 1 ORDER BY 2 DESC"',
        f"{curate} show {folder} {_first_kept(store, manifest)}",
        f"{curate} export {folder} {shards} --to webdataset",
    ]
    where = f"output in {request.dataset} (columns/, errors/, runs/)"
    told = foreseen(store, manifest)
    lines = [f"\nrun {manifest.id}: {manifest.seconds} s; {where}", *([told] if told else []), "try next:"]
    return Group(funnel_table(funnel(store, manifest)), Text("\n".join(lines + [f"  {step}" for step in next_steps])))


def program() -> str:
    """Return how to call this command line from here: `curate`, or its path where that is not on PATH."""
    path = Path(sys.argv[0])
    if path.name != "curate" or shutil.which("curate") is not None:
        return "curate"
    return os.path.relpath(path)


def status_report(store: Store, run_id: str | None) -> RenderableType:
    """Return what a run recorded and its funnel."""
    manifest = find_run(store, run_id)
    head = [
        f"run {manifest.id}: {manifest.status}, {manifest.seconds} s",
        f"recipe {manifest.recipe} {_assignments(manifest.parameters)}".rstrip(),
        f"inputs {' '.join(manifest.inputs)}",
    ]
    measured = (manifest.counts or {}).get("measured") or {}
    head += [f"measured {name}: {each['rows']:,} rows, {each['errors']:,} errors" for name, each in measured.items()]
    head += [_placed(each) for each in ((manifest.counts or {}).get("placement") or {}).get("segments", ())]
    head += [told] if (told := foreseen(store, manifest)) else []
    lines = [printable(line, LONGEST_LINE) for line in head]
    return Group(Text("\n".join(lines) + "\n"), funnel_table(funnel(store, manifest)))


def _placed(segment: dict[str, Any]) -> str:
    """Return a line on how a segment was placed."""
    names = ", ".join(stage.rpartition("-v")[0] for stage in segment["stages"]) or "filters"
    rate = segment["seconds_per_row"]
    speed = "" if rate is None else f", {rate:.4g} s a row of a worker"
    workers = f"{segment['workers']} worker{'s' if segment['workers'] != 1 else ''}"
    return f"placed {names} ({segment['kind']}): at most {workers}, {segment['rows']:,} rows{speed}"


def _assignments(parameters: dict[str, Any]) -> str:
    return " ".join(f"-p {name}={value}" for name, value in parameters.items())


def _first_kept(store: Store, manifest: Manifest) -> str:
    sql = "SELECT uid FROM samples ORDER BY (dropped_by IS NULL AND error IS NULL) DESC, shard, row LIMIT 1"
    rows = query(store, sql, manifest.id)
    return str(rows["uid"][0].as_py())[:12] if rows.num_rows else "UID"
