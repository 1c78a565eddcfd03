"""Watch a run from any terminal: what its driver tells through the dataset folder, until it ends."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from curate.dataset.manifest import Manifest, find_run, load
from curate.inspect.forecast.table import spent_time
from curate.inspect.tables import printable
from curate.run.live_record import LiveState, read_live
from curate.storage.store import Store

__all__ = ["follow"]

LOOK_SECONDS = 2.0
LINE_SECONDS = 10.0  # without a terminal
SILENT_SECONDS = 60.0  # after which a driver may be dead: it speaks every ten


def follow(store: Store, run_id: str | None, console: Console, sleep: Callable[[float], None] = time.sleep) -> Manifest:
    """Show what a run, the newest by default, is at until it ends; return its manifest.

    Raises PlanError if there is no such run. Where the driver is dead it says so and goes on: another may come.
    """
    manifest = find_run(store, run_id)
    if not console.is_terminal:
        return _lines(store, manifest, console, sleep)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while manifest.status == "running":
            live.update(_picture(manifest, read_live(store, manifest.id)), refresh=True)
            sleep(LOOK_SECONDS)
            manifest = load(store, manifest.id)
    return manifest


def _lines(store: Store, manifest: Manifest, console: Console, sleep: Callable[[float], None]) -> Manifest:
    while manifest.status == "running":
        state = read_live(store, manifest.id)
        console.print(Text(_head(manifest, state)), soft_wrap=True)
        sleep(LINE_SECONDS)
        manifest = load(store, manifest.id)
    return manifest


def _picture(manifest: Manifest, state: LiveState | None) -> RenderableType:
    if state is None:
        return Text(_head(manifest, state))
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "rows", "rows/s", "errors", "workers", ""):
        table.add_column(name, justify="right" if name in {"rows", "rows/s", "errors", "workers"} else "left")
    for line in state.stages:
        numbers = [f"{line.rows:,}", f"{line.rate:,.1f}", f"{line.errors:,}", f"{line.workers}"]
        table.add_row(printable(line.label, 60), *numbers, Text(printable(line.state, 200)))
    return Group(table, Text(_head(manifest, state)), *(Text(line) for line in _gpus(state)))


def _head(manifest: Manifest, state: LiveState | None) -> str:
    """Return where the run stands, in a line."""
    if state is None:
        return f"{manifest.id}: started {manifest.started_at}, its driver has not told anything yet"
    age = state.age(datetime.now(UTC))
    left = "" if state.seconds_left is None else f", about {spent_time(state.seconds_left)} left"
    silent = (
        f"; its driver (process {state.pid} on {state.host}) has said nothing for {spent_time(age)}: it may be dead, "
        "then the same `curate run` goes on"
        if age > SILENT_SECONDS
        else ""
    )
    then = f"; {state.waits_for} waits for the pool" if state.waits_for else ""
    where = f"; Ray: {state.dashboard}" if state.dashboard else ""
    done = f"{state.shards_done:,}/{state.shards:,} shards, {spent_time(state.seconds)}"
    return printable(f"{manifest.id}: {done}{left}{then}{where}{silent}", 1_000)


def _gpus(state: LiveState) -> list[str]:
    host = printable(state.host, 100)
    return [
        f"GPU {i} of {host}, {printable(name, 60)}: {used:.0f} % in use, {mib:,.0f} of {of:,.0f} MiB"
        for i, (name, used, mib, of) in enumerate(state.gpus)
    ]
