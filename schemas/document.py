"""Write docs/data-format.md from the schemas (`make docs`), or check that it is up to date (`--check PATH`)."""

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import pyarrow as pa

import schemas
from schemas.fields import describe

__all__ = ["document", "main", "modules"]

HEAD = """# Data format

Every column Curate writes: its Arrow type, unit, what a null means and who produces it.
This page is generated from `schemas/` by `make docs`; `make check` fails when it is out of date.

```
dataset/
  columns/<stage-id>/<shard>.parquet     the cell: one row per sample of the shard, in its order
  columns/<stage-id>/<shard>.1.parquet   later additions: only the rows measured later; the last one counts
  columns/verdict-v1-<hash>/<shard>.parquet   what became of each sample under one recipe
  columns/<stage-id>-<pool>/<shard>.parquet   the same of a corpus stage, for one pool
  errors/<shard>.parquet                 dead letters: samples that a stage could not measure
  runs/<run-id>.json                     recipe, stages, weights, code, versions, counts
  runs/<run-id>.shards.parquet           the shards of the run
  runs/<run-id>.requests/                how long each engine request took
  runs/<run-id>.live, .log               what the driver told last, and a line a minute: for who watches
  scratch/                               files of a corpus stage that measures now
```

A stage-id is the expert's name, its version and 8 hex digits over its `repr`, which holds every parameter and a
digest of the weights. Every cell begins with the CELL columns, then come the expert's own.

A pipeline may hold several scorers, taggers or detectors: `Clip`, `Objects`, `OpenObjects` and `Tags` have a field
`prefix`, which is put before the names of their columns (`prefix="siglip_"` gives `siglip_clip_score`); type, unit and
null stay as below. What reads such a column is told its name: `MinClipScore(0.1, column="siglip_clip_score")`,
`Hints(object_columns=("objects", "open_objects"))`, `Hints(tag_columns=...)`, `OpenObjects(tags_column=...)`,
`MainFace(objects_column=...)`.
"""


def modules() -> list[ModuleType]:
    """Return the schema modules, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(schemas.__path__))
    return [
        importlib.import_module(f"schemas.{name}") for name in names if name not in ("document", "fields", "prefix")
    ]


def document() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for module in modules():
        for name, schema in vars(module).items():
            if isinstance(schema, pa.Schema):
                parts.append(f"\n## {name}\n\n{(module.__doc__ or '').strip()}\n\n{_table(schema)}")
    return "".join(parts)


def _table(schema: pa.Schema) -> str:
    lines = ["| column | type | unit | null means | producer | what it is |", "|---|---|---|---|---|---|"]
    for field in schema:
        about = describe(field)
        cells = [f"`{field.name}`", f"`{field.type}`", *(about[key] for key in ("unit", "null", "producer", "doc"))]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    check, path = "--check" in arguments, Path(arguments[-1])
    if not check:
        path.write_text(document(), encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != document():
        sys.stderr.write(f"{path} is out of date; run: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
