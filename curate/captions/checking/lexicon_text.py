"""Read the file of a lexicon: TOML, or lines of text for those of thousands of words."""

import tomllib
from pathlib import Path
from typing import Any

__all__ = ["read_table", "read_text"]


def read_table(path: Path) -> dict[str, Any]:
    """Return the tables of a file by its ending; raises ValueError if it cannot be read as what it is."""
    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else read_text(text)


def read_text(text: str) -> dict[str, Any]:
    r"""Return the tables `labels`, `parents`, `ignored` and `adjectives` of lines of text.

    "#" begins a comment, "!" ignored phrases, "~" adjectives. "dog: hound, wolf|wolves < pet, mammal" is a class, its
    forms and the classes above it, "dog > cur, lapdog=toy dog" are classes under it that have nothing but their names.
    A class may have several lines.

    >>> table = read_text("mammal:\ndog: hound < mammal\ndog > cur, lapdog=toy dog")
    >>> table["labels"], table["parents"]["lapdog"]
    ({'mammal': [], 'dog': ['hound'], 'cur': [], 'lapdog': ['toy dog']}, ['dog'])
    """
    labels: dict[str, list[str]] = {}
    parents: dict[str, list[str]] = {}
    words: dict[str, list[str]] = {"!": [], "~": []}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in words:
            words[line[0]] += _items(line[1:])
        elif " > " in line:
            label, _, kinds = line.partition(" > ")
            for kind in _items(kinds):
                name, *forms = kind.split("=")
                single, _, plural = name.partition("|")
                labels.setdefault(single or plural, []).extend([name, *forms] if "|" in name else forms)
                parents.setdefault(single or plural, []).append(label)
        elif ":" in line:
            label, _, rest = line.partition(":")
            forms_text, _, above = rest.partition("<")
            labels.setdefault(label, []).extend(_items(forms_text))
            if above:
                parents.setdefault(label, []).extend(_items(above))
        else:
            raise ValueError(f"line {number}: {line[:40]!r} is no class; write 'class: form, form < class above'")
    return {"labels": labels, "parents": parents, "ignored": words["!"], "adjectives": words["~"]}


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
