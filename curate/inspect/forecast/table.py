"""Show a forecast, and read what it is asked for: a cluster in a word, prices."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.errors import PlanError
from curate.inspect.forecast.estimate import Forecast
from curate.inspect.forecast.knobs import Knob
from curate.run.cluster import Cluster, Node

__all__ = ["Prices", "forecast_report", "read_machines", "spent_time"]

HOUR = 3600.0
NODES = re.compile(r"(?:(\d+)x)?(\d+)(?:\+(\d+))?")


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for an hour of one processor and of one GPU of the cluster, used or not."""

    cpu_hour: float = 0.0
    gpu_hour: float = 0.0

    def of(self, cluster: Cluster, seconds: float) -> float:
        """Return what a cluster costs for some seconds."""
        return seconds / HOUR * (cluster.cpus * self.cpu_hour + cluster.gpus * self.gpu_hour)


def read_machines(text: str) -> Cluster:
    """Return the cluster that a word like `4x64+8` means: 4 machines of 64 CPUs and 8 GPUs; `,` joins kinds.

    >>> read_machines("2x16+1,64").cpus
    96.0

    Raises PlanError for any other word.
    """
    nodes: list[Node] = []
    for part in text.split(","):
        found = NODES.fullmatch(part.strip())
        if found is None or not int(found[2]):
            raise PlanError(f"--on {text!r} names no machines; 4x64+8 is four of 64 CPUs and 8 GPUs each")
        nodes += [Node(float(found[2]), float(found[3] or 0))] * int(found[1] or 1)
    return Cluster(tuple(nodes))


def forecast_report(forecast: Forecast, knobs: Sequence[Knob], pilot_samples: int, prices: Prices) -> RenderableType:
    """Return the forecast as tables: stages, workers, the total with its range, what one knob would do."""
    about = "" if forecast.exact else "about "
    head = Text(
        f"a pilot of {pilot_samples:,} samples, for {about}{forecast.samples:,.0f} in {forecast.shards:,} shards; the "
        f"pilot's count towards the run, times are for the {forecast.left:,.0f} that are left\n"
    )
    tables: list[RenderableType] = [head, _stages(forecast), Text(), _pools(forecast), _total(forecast, prices)]
    if knobs:
        tables += [Text("\none knob at a time:"), _knobs(knobs, forecast)]
    return Group(*tables)


def spent_time(seconds: float) -> str:
    """Return seconds as people say them.

    >>> spent_time(42), spent_time(600), spent_time(9000), spent_time(400000)
    ('42 s', '10.0 min', '2.5 h', '111 h')
    """
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 100 * HOUR else f"{seconds / HOUR:,.0f} h"


def _stages(forecast: Forecast) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "rows", "of all", "rows/s a worker", "errors", "tokens in", "tokens out", "stored"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in forecast.stages:
        tokens = [f"{stage.rows * each / 1e6:,.2f} M" for each in stage.tokens] if stage.tokens else ["", ""]
        speed = "" if stage.per_second is None else f"{stage.per_second:,.3g}"
        cells = [f"{stage.rows:,.0f}", f"{stage.share:.1%}", speed, f"{stage.errors:.1%}", *tokens]
        table.add_row(stage.label, *cells, _bytes(stage.stored_bytes))
    return table


def _pools(forecast: Forecast) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("workers of", "how many", "CPUs each", "GPUs each", "at work", "CPU-hours", "GPU-hours"):
        table.add_column(name, justify="left" if name == "workers of" else "right")
    for pool in forecast.pools:
        hours = pool.workers * pool.seconds / HOUR
        cells = [f"{pool.workers:,}", f"{pool.cpus:.2g}", f"{pool.gpus:.2g}", spent_time(pool.seconds)]
        table.add_row(pool.label, *cells, f"{hours * pool.cpus:,.2f}", f"{hours * pool.gpus:,.2f}")
    return table


def _total(forecast: Forecast, prices: Prices) -> Text:
    cluster, stored = forecast.cluster, sum(stage.stored_bytes for stage in forecast.stages)
    files = forecast.shards * (len(forecast.stages) + 2)
    where = f"{len(cluster.nodes)} machine{'s' if len(cluster.nodes) != 1 else ''}"
    times = [spent_time(each) for each in (forecast.seconds, forecast.low, forecast.high, forecast.start_seconds)]
    lines = [
        f"\non {where} with {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs: {times[0]} ({times[1]} to {times[2]}), of "
        f"which {times[3]} to start; speeds are those of the pilot's machine",
        f"the bottleneck is {forecast.bottleneck.label}",
        f"stored: {_bytes(stored)} in some {files:,} files, each a request or two",
    ]
    if prices != Prices():
        money = [prices.of(cluster, seconds) for seconds in (forecast.seconds, forecast.low, forecast.high)]
        lines.append(f"money: {money[0]:,.2f} ({money[1]:,.2f} to {money[2]:,.2f}) for the whole cluster")
    return Text("\n".join(lines))


def _knobs(knobs: Sequence[Knob], forecast: Forecast) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("change", "kept", "time", "against now"):
        table.add_column(name, justify="left" if name == "change" else "right")
    for knob in knobs:
        kept = "" if knob.kept is None else f"{knob.kept:.1%}"
        table.add_row(knob.change, kept, spent_time(knob.seconds), f"{knob.seconds / forecast.seconds - 1:+.0%}")
    return table


def _bytes(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"
