"""Find out what a folder holds, and open it for reading."""

from curate.dataset.manifest import run_ids
from curate.errors import PlanError
from curate.exports.folder import MANIFEST
from curate.inspect.view import run_view
from curate.reading.export_rows import choose_exported
from curate.reading.run_rows import choose
from curate.reading.samples import Samples
from curate.storage.store import Store

__all__ = ["open_samples"]


def open_samples(folder: str, run: str | None, where: str | None, kept: bool) -> Samples:
    """Open a dataset or an export; see `curate.open`."""
    store = Store(str(folder))
    if store.exists(MANIFEST):
        if run is not None or not kept:
            raise PlanError(f"{folder} is an export, which holds kept samples of one run: leave out run= and kept=")
        return Samples(choose_exported(store, where))
    if not run_ids(store):
        raise PlanError(f"{folder} is neither a dataset nor an export: it holds no runs/ and no {MANIFEST}")
    return Samples(choose(run_view(store, run), where, kept))
