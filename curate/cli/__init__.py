"""The command line: every argument is a noun of the design; knobs belong to recipes."""

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import typer

from curate.cli import keep, look, ship, work
from curate.errors import CurateError

__all__ = ["app", "main"]

LONGEST_ERROR = 2_000  # characters: what it quotes may be anybody's

app = typer.Typer(
    help="Curate image-text data: experts measure, filters decide, engines write, exports ship.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; a CurateError is one sentence on stderr and exit code 2."""
    signal.signal(signal.SIGTERM, _stop)  # preemption: end as after Ctrl-C
    try:
        app()
    except CurateError as error:
        from curate.inspect.tables import printable
        from curate.storage.redact import mask_text

        sys.stderr.write(f"error: {printable(mask_text(str(error)), LONGEST_ERROR)}\n")
        sys.exit(2)


def _stop(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


_COMMANDS: tuple[Callable[..., None], ...] = (  # in the order of `curate --help`
    work.recipes,
    work.run,
    work.retry,
    work.plan,
    work.models,
    look.status,
    look.report,
    look.view,
    look.labels,
    look.query,
    look.diff,
    look.show,
    ship.export,
    ship.pool,
    ship.formats,
    work.calibrate,
    look.errors,
    look.blind,
    look.agreement,
    ship.reference,
    keep.verify,
    keep.compact,
    keep.gc,
)
for _command in _COMMANDS:
    app.command(epilog=ship.FORMATS_HELP if _command is ship.export else None)(_command)
