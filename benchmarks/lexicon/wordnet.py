"""Read WordNet's files: synsets of nouns, and how often a word is met as each part of speech."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Synset", "WordNet", "read_wordnet"]

KINDS = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}


@dataclass(frozen=True, slots=True)
class Synset:
    """One sense: `field` is the number of the lexicographer file (5 animals, 6 artefacts, ...), `words` its lemmas."""

    offset: str
    field: int
    words: tuple[str, ...]
    above: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True)
class WordNet:
    """`senses` lists the synsets of a noun, the commonest first; `counts` is (word, part of speech) in tagged texts."""

    synsets: dict[str, Synset]
    senses: dict[str, tuple[str, ...]]
    counts: dict[tuple[str, str], int]
    words: dict[str, frozenset[str]]

    def find(self, name: str) -> Synset | None:
        """Return the synset that is called "dog.n.01"."""
        word, _, number = name.rsplit(".", 2)
        senses = self.senses.get(word.casefold(), ())
        return self.synsets[senses[int(number) - 1]] if len(senses) >= int(number) else None

    def all_above(self, offset: str) -> Iterator[str]:
        """Yield every synset above one, the nearest first."""
        seen, queue = {offset}, [offset]
        for one in queue:
            new = [up for up in self.synsets[one].above if up not in seen]
            seen.update(new)
            queue += new
            yield from new

    def all_below(self, offset: str) -> Iterator[str]:
        """Yield every synset below one, the nearest first."""
        seen, queue = {offset}, [offset]
        for one in queue:
            new = [down for down in self.synsets[one].below if down not in seen]
            seen.update(new)
            queue += new
            yield from new

    def first(self, word: str) -> str | None:
        """Return the commonest sense of a noun."""
        senses = self.senses.get(word.casefold().replace(" ", "_"))
        return senses[0] if senses else None

    def count(self, word: str, kind: str) -> int:
        return self.counts.get((word, kind), 0)


def read_wordnet(folder: Path) -> WordNet:
    """Read the files of WordNet 3.0 (Debian's package `wordnet-base` holds them)."""
    synsets = {one.offset: one for one in map(_synset, _lines(folder / "data.noun"))}
    senses = {}
    for line in _lines(folder / "index.noun"):
        parts = line.split()
        senses[parts[0]] = tuple(parts[-int(parts[2]) :])
    counts: dict[tuple[str, str], int] = {}
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, _, count = line.split()
        word, _, rest = key.partition("%")
        kind = KINDS[rest[0]]
        counts[word, kind] = counts.get((word, kind), 0) + int(count)
    words = {
        kind: frozenset(line.split()[0] for line in _lines(folder / f"index.{kind}"))
        for kind in ("noun", "verb", "adj", "adv")
    }
    return WordNet(synsets, senses, counts, words)


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("  ")]


def _synset(line: str) -> Synset:
    parts = line.partition("|")[0].split()
    count = int(parts[3], 16)
    pointers = parts[5 + 2 * count :]
    linked: dict[str, list[str]] = {"@": [], "~": []}
    for symbol, offset, kind, _ in zip(*(pointers[i::4] for i in range(4)), strict=True):
        if kind == "n" and symbol in linked:
            linked[symbol].append(offset)
    words = tuple(re.sub(r"\(.*\)", "", parts[4 + 2 * i]).replace("_", " ") for i in range(count))
    return Synset(parts[0], int(parts[1]), words, tuple(linked["@"]), tuple(linked["~"]))
