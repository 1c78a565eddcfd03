"""Optional dependencies: a missing one is named with the pip line that installs it."""

import importlib
import importlib.util
from types import ModuleType

from curate.errors import PlanError

__all__ = ["MissingExtraError", "check_extra", "load_extra"]


class MissingExtraError(PlanError):
    """An optional package is not installed."""


def check_extra(module: str, extra: str) -> None:
    """Raise PlanError with the pip line if `module` is not installed; imports nothing."""
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        raise MissingExtraError(f"{module} is not installed; run: pip install 'curate[{extra}]'")


def load_extra(module: str, extra: str) -> ModuleType:
    """Import and return an optional module; raises PlanError with the pip line if it is missing."""
    check_extra(module, extra)
    return importlib.import_module(module)
