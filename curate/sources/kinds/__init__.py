"""The kinds of sources, one a module: a file put here is a kind that every command reads."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from curate.errors import PlanError
from curate.sources.kind import SourceKind

__all__ = ["kind_named", "source_kinds"]


@functools.cache
def source_kinds() -> Mapping[str, SourceKind]:
    """Return the `KIND` of every module here by module name, in the order in which a folder is searched for them."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    kinds = [(name, importlib.import_module(f"{__name__}.{name}").KIND) for name in names]
    return dict(sorted(kinds, key=lambda pair: (pair[1].order, pair[0])))


def kind_named(name: str) -> SourceKind:
    """Return a kind by its name; raises PlanError if this installation has none of that name."""
    kinds = source_kinds()
    if name not in kinds:
        raise PlanError(f"no source kind is called {name}; there are: {', '.join(kinds)}")
    return kinds[name]
