"""A distributed data curation and caption engine for vision-language data."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.reading.samples import Samples

__all__ = ["open"]


def open(  # read as curate.open, like gzip.open
    folder: str, run: str | None = None, where: str | None = None, kept: bool = True
) -> "Samples":
    """Open a dataset, or an export of one, for reading; `folder` is a path or URL.

    Of a dataset these are the samples that a `run` (its id; the newest by default) kept, or all with `kept=False`; of
    an export those that it holds. `where` is a SQL condition over their columns. Nothing but the choice is read yet.
    Raises PlanError if the folder is neither, or the condition does not work.
    """
    from curate.reading.opening import open_samples

    return open_samples(folder, run, where, kept)
