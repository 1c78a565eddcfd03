"""Turn whatever a model's loader raises into one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from curate.errors import CurateError, PlanError

__all__ = ["loading"]


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Raise PlanError "`what` cannot be loaded: ..." with the first line of any error raised inside.

    Loaders of other projects raise pickle, protobuf, safetensors, key and type errors for one and the same thing: a
    file that is not what it should be, or a hub that does not answer.
    """
    try:
        yield
    except CurateError:
        raise
    except Exception as error:  # code of other projects runs inside: their loaders raise what they like
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise PlanError(f"{what} cannot be loaded: {lines[0][:300]}") from error
