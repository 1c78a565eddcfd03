"""What the experts saw in one image, and what that says of a class that a caption names."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from curate.captions.boxes import is_box, overlap
from curate.captions.checking.common_words import singulars
from curate.captions.checking.lexicon import Lexicon
from curate.captions.checking.nouns import heads
from curate.captions.checking.words import split_tokens

__all__ = ["Asked", "Boxes", "Columns", "OpenSet", "Verdict", "Witness", "Witnesses", "boxes_of", "label_of_name"]

Boxes: TypeAlias = dict[str, list[list[float]]]
"""The boxes of each class, as x0, y0, x1, y1 in fractions of the image."""

Rows: TypeAlias = Sequence[Mapping[str, Any]] | None
Verdict: TypeAlias = Literal["supported", "contradicted", "unjudged"]
NO_KINDS: Final = frozenset(("hot dog", "teddy bear"))  # of what their last word says
SAME_OBJECT: Final = 0.6  # IoU of two boxes of unlike classes, from which on they are one object; as in `Objects`


@dataclass(frozen=True)
class Columns:
    """Names the columns of open-set detectors and of a tagger that are witnesses too.

    Each of `objects` comes with a column of what was asked, its own name and "_asked", as `OpenObjects` and
    `CaptionObjects` add them: a name that was not asked says nothing.

    >>> Columns(("open_objects",), "tags").needs
    ('open_objects', 'open_objects_asked', 'tags')
    """

    objects: tuple[str, ...] = ()
    tags: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        pairs = [name for objects in self.objects for name in (objects, f"{objects}_asked")]
        return (*pairs, *((self.tags,) if self.tags else ()))

    def read(self, row: Mapping[str, Any]) -> "OpenSet":
        """Return what the columns of a row hold."""
        asked = tuple(Asked(row.get(name), row.get(f"{name}_asked")) for name in self.objects)
        return OpenSet(asked, row.get(self.tags) if self.tags else None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an open-set detector found of the `names` that it was asked for; null: not measured."""

    objects: Rows = None
    names: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class OpenSet:
    """What was seen beyond fixed classes: by each open-set detector, and `tags`; null: not measured."""

    asked: tuple[Asked, ...] = ()
    tags: Rows = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A detector: the classes that it `knows` or was asked for, the boxes that it `saw`, and those that are `sure`."""

    knows: frozenset[str]
    saw: Boxes
    sure: Boxes


@dataclass(frozen=True)
class Witnesses:
    """All that saw one image: detectors, and the classes of the tags, which can support a claim but not contradict it.

    `measured` is false where no expert looked.
    """

    lexicon: Lexicon
    detectors: tuple[Witness, ...]
    tags: frozenset[str] = frozenset()
    measured: bool = True

    def verdict(self, label: str) -> Verdict:
        """Tell what was seen of a class, or of a noun that is none.

        Supported: a detector or tag has the class, or one under it ("animal", a dog was seen); or a detector that knows
        only a class above it saw that, so far as it can tell ("armchair", a chair was seen). Contradicted: one that
        knows the class, or one above it, saw neither; but one that saw the class above and knows both leaves it open.
        """
        names = self._under(label)
        if names & self.tags or any(names & witness.saw.keys() for witness in self.detectors):
            return "supported"
        found = {self._told(witness, label) for witness in self.detectors}
        return "supported" if "supported" in found else "contradicted" if "contradicted" in found else "unjudged"

    def level(self, label: str) -> str | None:
        """Return the class at which a detector can judge a class: itself or the nearest above it; null: none can."""
        for one in self._upwards(label):
            if any(one in witness.knows for witness in self.detectors):
                return one
        return None

    def boxes(self, label: str, sure: bool = False) -> list[list[float]]:
        """Return the boxes of a class and of those under it; one object under two names is one box."""
        names = self._under(label)
        kept: list[list[float]] = []
        for witness in self.detectors:
            for name, boxes in (witness.sure if sure else witness.saw).items():
                if name in names:
                    kept += [box for box in boxes if not kept or not _is_among(box, kept)]
        return kept

    def certain(self) -> list[str]:
        """Return the classes that a detector is sure of, each once."""
        return list(dict.fromkeys(label for witness in self.detectors for label in witness.sure))

    def is_named(self, label: str, named: frozenset[str]) -> bool:
        """Tell whether a class is named, or one above or under it: "animal" names a dog."""
        return not named.isdisjoint(self._upwards(label)) or not named.isdisjoint(self._under(label))

    def _told(self, witness: Witness, label: str) -> Verdict:
        upwards = list(self._upwards(label))
        known = next((one for one in upwards if one in witness.knows), None)
        if known is None:
            return "unjudged"
        if known != label and self._under(known) & witness.saw.keys():
            return "supported"
        above = upwards[upwards.index(known) + 1 :]
        return "unjudged" if any(one in witness.saw for one in above) else "contradicted"

    def _upwards(self, label: str) -> Iterator[str]:
        """Yield a class and those above it; a noun that is no class is under what its last words name."""
        for one in heads(label) if self._is_noun(label) else [label]:
            known = self.lexicon.label_of(one) or one if one != label else one
            yield known
            yield from self.lexicon.above(known)

    def _under(self, label: str) -> frozenset[str]:
        """Return a class, those under it, and what was seen whose last words name it: a baseball glove is a glove."""
        return self.lexicon.below(label) | self._ending_in.get(label, frozenset())

    @functools.cached_property
    def _ending_in(self) -> dict[str, frozenset[str]]:
        seen = self.tags.union(*(witness.saw for witness in self.detectors)) if self.lexicon.parents else frozenset()
        found: dict[str, set[str]] = {}
        for name in seen - NO_KINDS:
            for head in heads(name)[1:]:
                found.setdefault(head, set()).add(name)
        return {head: frozenset(names) for head, names in found.items()}

    def _is_noun(self, label: str) -> bool:
        return self.lexicon.label_of(label) is None


def _is_among(box: list[float], others: list[list[float]]) -> bool:
    return any(overlap(box, other) >= SAME_OBJECT for other in others)


def label_of_name(name: str, lexicon: Lexicon) -> str:
    """Return the class that a detector's or tagger's name means; one that the lexicon lacks stands for itself.

    >>> from curate.captions.checking.lexicon import read_lexicon
    >>> [label_of_name(name, read_lexicon("lvis")) for name in ("Sofa", "Window_sills", "a Quokka")]
    ['couch', 'window sill', 'quokka']
    """
    known = lexicon.label_of(name)
    if known is not None:
        return known
    words = [word for word, _, _ in split_tokens(name.replace("_", " "))]
    words = words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words
    return " ".join([*words[:-1], *(singulars(words[-1]) or [words[-1]])[:1]]) if words else ""


def boxes_of(rows: Rows, least: float, lexicon: Lexicon, is_open: bool = False) -> Boxes:
    """Return the boxes with a score of at least `least` by class; broken ones are left out.

    Where `is_open`, names that the lexicon lacks stand for themselves, else they are left out too.
    """
    by_label: Boxes = {}
    for row in rows or ():
        name, box, score = row["label"] or "", row["box"], row["score"]
        label = label_of_name(name, lexicon) if is_open else lexicon.label_of(name)
        if label and score is not None and score >= least and is_box(box):
            by_label.setdefault(label, []).append(list(box))
    return by_label
