"""Several stages of one kind in one pipeline: names of columns begin with a prefix, defaults leave no trace."""

import re
from dataclasses import fields
from typing import Any, Final

import pyarrow as pa

__all__ = ["check_prefix", "prefixed", "repr_without_defaults"]

PREFIX: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


def prefixed(schema: pa.Schema, prefix: str) -> pa.Schema:
    """Return the columns with a prefix before their names; their documentation stays as it is.

    >>> prefixed(pa.schema([pa.field("clip_score", pa.float32())]), "siglip_").names
    ['siglip_clip_score']
    """
    return pa.schema([field.with_name(prefix + field.name) for field in schema])


def check_prefix(prefix: str) -> None:
    """Raise ValueError unless columns may begin with `prefix`: none, or up to 32 of a-z, 0-9 and _, a letter first.

    >>> check_prefix("siglip_")
    """
    if prefix and not PREFIX.fullmatch(prefix):
        raise ValueError(f"prefix={prefix!r}: give at most 32 of a-z, 0-9 and _, with a letter first, such as siglip_")


def repr_without_defaults(stage: Any, *names: str) -> str:
    """Return the `repr` of a dataclass less the fields `names` that have their default.

    The `repr` of a stage is its identity. A field that is added later, and changes nothing unless it is set, is named
    here: then all cells that were measured before it existed keep their place.
    """
    shown = [
        f"{field.name}={getattr(stage, field.name)!r}"
        for field in fields(stage)
        if field.repr and not (field.name in names and getattr(stage, field.name) == field.default)
    ]
    return f"{type(stage).__qualname__}({', '.join(shown)})"
