"""Materialised views of a run, in the formats that trainers read."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from curate.errors import PlanError
from curate.exports.folder import committed
from curate.exports.selection import select
from curate.exports.webdataset import TarOptions, write_webdataset
from curate.store import Store

__all__ = ["ExportFormat", "ExportReport", "TarOptions", "export"]

ExportFormat: TypeAlias = Literal["webdataset"]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: `source_samples` of the run, `samples` written, `failed` to be read again."""

    out: str
    format: ExportFormat
    source_samples: int
    samples: int
    failed: int


def export(
    store: Store,
    format: ExportFormat,
    out: str,
    where: str | None = None,
    run_id: str | None = None,
    options: TarOptions | None = None,
) -> ExportReport:
    """Write the kept samples of a run (the newest by default) that match `where` to the folder or URL `out`.

    The folder appears whole or not at all and replaces an earlier export; the same run gives the same bytes.
    Raises PlanError if the condition, an option or `out` cannot work.
    """
    if format != "webdataset":
        raise PlanError(f"cannot export to {format!r}; formats: webdataset")
    with committed(out) as folder, select(store, where, run_id) as selection:
        counts = write_webdataset(selection, folder, options or TarOptions())
    return ExportReport(out, format, **counts)
