"""What keeps a dataset whole and small: verify, compact, gc."""

from typing import Annotated

import typer

from curate.cli import options
from curate.cli.steps import print_out

__all__ = ["compact", "gc", "verify"]


def verify(
    dataset: options.Folder,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what is damaged; the next run does it again.")
    ] = False,
) -> None:
    """Read every cell again and say which are damaged; exit code 1 if some are and stay."""
    from curate.dataset.verify import verify as verify_all
    from curate.storage.store import Store

    report = verify_all(Store(dataset), repair)
    print_out(report)
    if report.damaged and not repair:
        raise typer.Exit(1)


def compact(dataset: options.Folder) -> None:
    """Fold what later runs added into the cells: fewer files, the same values."""
    from curate.dataset.compact import compact as fold_all
    from curate.storage.store import Store

    print_out(fold_all(Store(dataset), lambda message: typer.echo(message, err=True)))


def gc(
    dataset: options.Folder,
    keep: Annotated[int | None, typer.Option("--keep", help="Keep only the newest N runs.")] = None,
    keep_run: Annotated[list[str] | None, typer.Option("--keep-run", help="Keep this run too; may repeat.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, rather than only show it.")] = False,
) -> None:
    """Show what no kept run refers to; with --yes remove it. Without --keep or --keep-run, every run is kept."""
    from curate.dataset.gc import collect
    from curate.storage.store import Store

    print_out(collect(Store(dataset), keep, keep_run or (), yes))
