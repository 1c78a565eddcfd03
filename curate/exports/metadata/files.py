"""Write the dataset card and the Croissant file of an export beside its parts."""

import json
from collections.abc import Sequence

from curate.exports.layout import Contents, PartFacts
from curate.exports.metadata.card import card
from curate.exports.metadata.croissant import croissant
from curate.exports.metadata.provenance import provenance_of
from curate.exports.selection import Selection
from curate.storage.store import Store

__all__ = ["write_metadata"]


def write_metadata(folder: Store, selection: Selection, contents: Contents, parts: Sequence[PartFacts]) -> list[str]:
    """Write `README.md` and `croissant.json` and return their names; no clock and no path is in them."""
    made = provenance_of(selection, sum(part.samples for part in parts))
    document = json.dumps(croissant(contents, parts, made), indent=1, ensure_ascii=False)
    files = {"README.md": card(contents, parts, made), "croissant.json": document + "\n"}
    for name, text in files.items():
        folder.write_bytes(name, text.encode())
    return list(files)
