"""What gates dropped is in no export: the SQL condition for artefacts that are alive."""

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["alive", "gates_of"]

ENDING: Final = "_dropped_by"


def alive(columns: Sequence[str], read: Iterable[str]) -> list[str]:
    """Return the conditions, in SQL, under which a gate dropped none of the columns `read`; `columns` are the run's.

    >>> alive(["pair_chosen", "pair_dropped_by", "caption", "dropped_by"], ["pair_chosen"])
    ['"pair_dropped_by" IS NULL']
    >>> alive(["pair_chosen", "pair_dropped_by", "caption", "dropped_by"], ["caption"])
    []
    """
    return [f'"{gate}" IS NULL' for gate in gates_of(columns, read)]


def gates_of(columns: Sequence[str], read: Iterable[str]) -> list[str]:
    """Return the columns of the run that say what dropped the artefacts which the columns `read` belong to."""
    read = list(read)
    return [name for name in columns if name.endswith(ENDING) and _owns(name.removesuffix(ENDING), read)]


def _owns(artefact: str, names: Sequence[str]) -> bool:
    return any(name == artefact or name.startswith(f"{artefact}_") for name in names)
