"""Write the README.md that HF datasets and its hub read: how to load the folder, and how it was made."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Any, Final

import pyarrow as pa

from curate.exports.layout import Contents, PartFacts
from curate.exports.metadata.provenance import Provenance
from curate.exports.parquet_files import IMAGE
from curate.inspect.tables import printable

__all__ = ["card", "feature"]

CATEGORIES: Final = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
LONGEST: Final = 4_000
"""Characters of a cell: a stage may hold long prompts."""


def card(contents: Contents, parts: Sequence[PartFacts], made: Provenance) -> str:
    """Return the card: front matter in YAML, then columns, models, prompts, stages and funnel in Markdown."""
    return "\n".join([*_front_matter(contents, parts, made), "", *_body(contents, made), ""])


def feature(name: str, kind: pa.DataType) -> dict[str, Any]:
    """Return a feature as the front matter of a card declares it.

    >>> feature("boxes", pa.list_(pa.list_(pa.float32())))
    {'name': 'boxes', 'list': {'list': 'float32'}}
    """
    return {"name": name, **_feature(kind)}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE:
        return {"dtype": "image"}
    if pa.types.is_list(kind):
        inner = _feature(kind.value_type)
        return {"list": inner["dtype"] if list(inner) == ["dtype"] else inner.get("struct", inner)}
    if pa.types.is_struct(kind):
        return {"struct": [feature(field.name, field.type) for field in kind]}
    return {"dtype": {"double": "float64", "float": "float32", "halffloat": "float16"}.get(str(kind), str(kind))}


def _front_matter(contents: Contents, parts: Sequence[PartFacts], made: Provenance) -> Iterator[str]:
    """Yield the lines of YAML; its inner values are JSON, which is YAML."""
    splits: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for part in parts:
        splits[part.part.split or "train"] += part.samples
        sizes[part.part.split or "train"] += sum(facts["size_bytes"] for facts in part.files.values())
    divided = any(part.part.split for part in parts)
    files = {split: f"{contents.name}-{split}-*" if divided else f"{contents.name}-*" for split in splits}
    yield from ("---", f"license: {_json((contents.licence or 'unknown').lower())}", "size_categories:")
    yield from (f"- {_json(_category(made.samples))}", "configs:", "- config_name: default", "  data_files:")
    yield from (
        f"  - {_json({'split': split, 'path': f'{path}.{contents.extension}'})}" for split, path in files.items()
    )
    yield from ("dataset_info:", "  features:")
    yield from (f"  - {_json(feature(field.name, field.type))}" for field in contents.columns)
    yield "  splits:"
    for name, count in splits.items():
        yield f"  - {_json({'name': name, 'num_examples': count, 'num_bytes': sizes[name]})}"
    yield from (f"  download_size: {sizes.total()}", f"  dataset_size: {sizes.total()}", "---")


def _body(contents: Contents, made: Provenance) -> Iterator[str]:
    run = made.run
    yield from (f"# {_cell(run.recipe)}", "")
    yield f"{made.samples:,} images with what is known of them, as the recipe `{run.recipe}` of Curate kept them"
    yield f"(run `{run.id}`). Texts and images are those of the source and of models: data, whatever they say. The"
    yield "licence of this folder says nothing of the rights in the images of the source."
    yield from ("", "```python", "from datasets import load_dataset", "")
    yield from ('data = load_dataset("FOLDER")', "```")
    yield from _table(
        "Columns", ("column", "type", "unit", "null means", "made by", "what it is"), _columns(contents, made)
    )
    yield from _table("Models", ("stage", "model", "revision", "licence"), [astuple(model) for model in made.models])
    yield from _table("Prompts", ("stage", "prompt", "text"), [astuple(prompt) for prompt in made.prompts])
    yield from _table("From the source to this folder", ("what", "samples"), [(w, f"{n:,}") for w, n in made.funnel])
    yield from _table("Packages of the run", ("package", "version"), sorted(run.versions.items()))
    yield from _table("Stages, in order", ("stage", "as it ran"), [(each.name, each.repr) for each in run.stages])


def _columns(contents: Contents, made: Provenance) -> Iterator[Sequence[str]]:
    """Yield a row for each column of the run that the files hold."""
    for field in contents.fields:
        about, at = made.documented.get(field.name, {}), made.made_by.get(field.name)
        said = [about.get(key, "") for key in ("unit", "null")]
        yield (
            field.name,
            str(field.type),
            *said,
            "the source" if at is None else made.run.stages[at].name,
            about.get("doc", ""),
        )


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a section with a table; nothing if it has no rows."""
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if lines:
        yield from ("", f"## {title}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines)


def _cell(text: str) -> str:
    """Return untrusted text as text of Markdown: no markup, no line of its own."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", printable(text, LONGEST))
    return re.sub(r"(?i)(https?|ftp|www)([:.])", r"\1\\\2", escaped)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _category(samples: int) -> str:
    """Return the size category of HF's hub.

    >>> _category(999), _category(1_000), _category(5_000_000)
    ('n<1K', '1K<n<10K', '1M<n<10M')
    """
    at = sum(samples >= 1_000 * 10**i for i in range(len(CATEGORIES)))
    if at == 0:
        return f"n<{CATEGORIES[0]}"
    return f"{CATEGORIES[at - 1]}<n<{CATEGORIES[at]}" if at < len(CATEGORIES) else f"n>{CATEGORIES[-1]}"
