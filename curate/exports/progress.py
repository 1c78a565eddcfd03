"""Show how far an export is: parts, samples a second, bytes a second, time left."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from curate.exports.planning import PlannedPart

__all__ = ["shown"]

LINE_SECONDS = 10.0  # without a terminal, between two lines


@contextmanager
def shown(console: Console, missing: Sequence[PlannedPart], there: int) -> Iterator[Callable[[PlannedPart], None]]:
    """Give a function to call after each part; `there` are the parts that an earlier call completed."""
    total, started, parts = sum(part.image_bytes for part in missing), time.monotonic(), there
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
    said, done_bytes = started, 0

    def done(part: PlannedPart) -> None:
        nonlocal parts, said, done_bytes
        parts, done_bytes = parts + 1, done_bytes + part.image_bytes
        bar.update(task, advance=part.image_bytes, description=_parts(parts, there + len(missing)))
        now = time.monotonic()
        if not console.is_terminal and now - said >= LINE_SECONDS:
            said, speed = now, done_bytes / (now - started)
            left = (total - done_bytes) / speed if speed else 0.0
            rate = f"{decimal(int(speed))}/s, {left:,.0f} s left"
            console.print(f"{_parts(parts, there + len(missing))}, {rate}", soft_wrap=True)

    with bar:
        task = bar.add_task(_parts(parts, there + len(missing)), total=total)
        yield done


def _parts(done: int, all_: int) -> str:
    return f"{done:,} of {all_:,} parts"
