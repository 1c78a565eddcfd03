"""Which words of a caption name an object that a detector knows, where they stand and how many they claim."""

import functools
import hashlib
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from curate.captions.checking.common_words import GRAMMAR, is_plural_thing, may_be_verb, names_more, phrase_opens
from curate.captions.checking.lexicon_text import read_table
from curate.captions.checking.numbers import NUMBERS, clashes, count_before, still_denied
from curate.captions.checking.words import Token, joined, quotes, split_tokens
from curate.errors import PlanError

__all__ = ["Lexicon", "Mention", "read_lexicon"]

KEPT: Final = Path(__file__).parent.parent / "lexica"


class Form(NamedTuple):
    """What a word of the lexicon is: `label` is "" for an ignored one, `is_plural` null for one that is both."""

    label: str
    is_plural: bool | None = None
    is_adjective: bool = False
    single: str = ""


SOFT_WORDS: Final = (
    "are at beside beneath between behind from has in is lies lying near next on placed resting rests sits "
    "sitting that to under was which with"
)
SOFT: Final = frozenset(SOFT_WORDS.split())
DETERMINERS: Final = frozenset(("a", "an", "another", "each", "half", "one", "that", "the", "this"))
MOST_WORDS: Final = 6  # of one form


@dataclass(frozen=True, slots=True)
class Mention:
    """A word or phrase that names an object of class `label`, at characters `start` to `end` of the text.

    `count` is how many the words before it claim: 2 in "two cats", 1 in "a cat", 0 in "no cats", null when unsaid.
    """

    label: str
    start: int
    end: int
    count: int | None = None


@dataclass(frozen=True)
class Lexicon:
    """Words for the classes of a detector: `labels` maps each class to its forms, "singular|plural".

    Without a bar the plural is the regular one of English. `ignored` phrases hide what is inside them ("dog house");
    a form in `adjectives` counts in the singular only where it is sure to be a noun ("an orange on a plate", not "an
    orange sky"). `parents` names the classes above a class, if any: a puppy is a dog, a dog is an animal. In a lexicon
    with parents a class that only describes the noun after it names nothing: "a horse trailer" is no horse. Words are
    compared without case; the longest form wins, so a "hot dog" is no dog. Left out: scripts without blanks between
    words, and plurals of other languages unless they are listed.
    Source: in the spirit of CHAIR (Rohrbach et al. 2018, arXiv 1809.02156), whose list of synonyms is another.
    """

    name: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = field(repr=False)
    ignored: tuple[str, ...] = field(default=(), repr=False)
    adjectives: tuple[str, ...] = field(default=(), repr=False)
    parents: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        return f"Lexicon({self.name!r}, blake2b={self._digest})"

    def __hash__(self) -> int:
        return hash((self.name, len(self.labels)))

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: what was worked out of them is not sent."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @functools.cached_property
    def _digest(self) -> str:
        table = repr((self.labels, self.ignored, self.adjectives, *filter(None, (self.parents,)))).encode()
        return hashlib.blake2b(table, digest_size=8).hexdigest()

    @functools.cached_property
    def _forms(self) -> dict[tuple[str, ...], Form]:
        return _all_forms(self)

    @functools.cached_property
    def _above(self) -> dict[str, tuple[str, ...]]:
        parents = dict(self.parents)
        above = {}
        for label, nearest in parents.items():
            found = list(nearest)
            for one in found:  # grows while it is walked
                found += [up for up in parents.get(one, ()) if up not in found]
            if label in found:
                raise PlanError(f"lexicon {self.name}: {label!r} stands above itself")
            above[label] = tuple(found)
        return above

    @functools.cached_property
    def _below(self) -> dict[str, frozenset[str]]:
        below: dict[str, set[str]] = {}
        for label, above in self._above.items():
            for up in above:
                below.setdefault(up, set()).add(label)
        return {label: frozenset(labels) for label, labels in below.items()}

    def mentions(self, text: str) -> list[Mention]:
        """Return every mention outside quotation marks, in order.

        >>> coco = read_lexicon("coco80")
        >>> [(m.label, m.start, m.end, m.count) for m in coco.mentions("Two puppies eat a hot dog; no cats here.")]
        [('dog', 4, 11, 2), ('hot dog', 18, 25, 1), ('cat', 30, 34, 0)]
        """
        forms = self._forms
        tokens = split_tokens(text)
        quoted = [(start, end) for start, end, _ in quotes(text)]
        mentions: list[Mention] = []
        at, last = 0, -1
        while at < len(tokens):
            size = _longest(forms, tokens, at, text)
            form = forms.get(_phrase(tokens, at, size)) if size else None
            if (
                form
                and form.label
                and not _within(tokens[at][1], quoted)
                and self._names(form, (tokens, at, size), text)
            ):
                count = count_before(tokens, at, last, text)
                if count is None and mentions and mentions[-1].count == 0:
                    count = still_denied(text[mentions[-1].end : tokens[at][1]])
                number = None if count is not None and clashes(count, form.is_plural) else count
                mentions.append(Mention(form.label, tokens[at][1], tokens[at + size - 1][2], number))
                last = at + size - 1
            at += size or 1
        return mentions

    def _names(self, form: Form, place: tuple[list[Token], int, int], text: str) -> bool:
        """Tell whether a form that stands at a place names a thing there, and does not only describe another."""
        tokens, at, size = place
        if not self.parents:
            return _is_noun(form, tokens, at, size, text)
        if size == 1 and at and may_be_verb(tokens[at][0]) and self._is_verb(form, tokens, at, text):
            return False
        if form.is_adjective and not phrase_opens(tokens, at, text):
            return False
        return form.is_plural is True or not self._describes(tokens, at + size - 1, text)

    def _is_verb(self, form: Form, tokens: list[Token], at: int, text: str) -> bool:
        """Tell whether a word that may be a verb agrees with the noun before it: "a cat watches", "gulls wheel"."""
        if text[tokens[at - 1][2] : tokens[at][1]] != " ":
            return False
        before = tokens[at - 1][0]
        known = self._forms.get((before,))
        is_many = bool(known.is_plural) if known and known.label else is_plural_thing(before)
        ends_in_s = tokens[at][0] != form.single and tokens[at][0].endswith("s")
        return is_many is not None and is_many != ends_in_s

    def _describes(self, tokens: list[Token], end: int, text: str) -> bool:
        """Tell whether the word after a form is a noun that it describes: of this lexicon, or any other."""
        after = end + 1
        if after >= len(tokens) or text[tokens[end][2] : tokens[after][1]] not in (" ", "-"):
            return False
        if tokens[after][0] in GRAMMAR:
            return False
        form = self._forms.get((tokens[after][0],))
        if form and form.label:
            return not form.is_plural or not may_be_verb(tokens[after][0])
        return names_more(tokens, end, text)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, as they are called."""
        return tuple(label for label, _ in self.labels)

    def above(self, label: str) -> tuple[str, ...]:
        """Return the classes above a class, the nearest first.

        >>> read_lexicon("lvis").above("puppy")
        ('dog', 'pet', 'mammal', 'animal')
        """
        return self._above.get(label, ())

    def below(self, label: str) -> frozenset[str]:
        """Return a class and all classes under it."""
        return self._below.get(label, frozenset()) | {label}

    def label_of(self, name: str) -> str | None:
        """Return the class that a detector's label means, None if the lexicon does not know it.

        >>> read_lexicon("coco80").label_of("Dining_Table")
        'dining table'
        """
        forms = self._forms
        for part in (name, *name.split("/")) if self.parents else (name,):
            form = forms.get(tuple(word for word, _, _ in split_tokens(part.replace("_", " "))))
            if form and form.label:
                return form.label
        return None

    def is_plural(self, phrase: str) -> bool | None:
        """Tell whether a form is a plural; null: the lexicon does not know it, or it is both, as "sheep".

        >>> [read_lexicon("coco80").is_plural(word) for word in ("dogs", "dog", "sheep")]
        [True, False, None]
        """
        form = self._forms.get(tuple(word for word, _, _ in split_tokens(phrase)))
        return form.is_plural if form else None

    def singular(self, phrase: str) -> str:
        """Return the singular of a form, or what was given: "dogs" and "dog" are one word, "puppy" is another."""
        form = self._forms.get(tuple(word for word, _, _ in split_tokens(phrase)))
        return form.single if form else phrase


def read_lexicon(where: str) -> Lexicon:
    """Read a kept lexicon by name ("coco80", "lvis") or a file by path; raises PlanError if it cannot be.

    A TOML file holds `[labels]` with a list of forms for each class, and may hold the lists `ignored` and `adjectives`,
    and `[parents]` with a list of the classes above; a `.lexicon` file has the same in less space: `lexicon_text`.

    >>> len(read_lexicon("coco80").names), read_lexicon("lvis").label_of("armchairs")
    (80, 'armchair')
    """
    suffixes = (".toml", ".lexicon")
    paths = [Path(where)] if where.endswith(suffixes) else [KEPT / f"{where}{suffix}" for suffix in suffixes]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        names = sorted(file.stem for suffix in suffixes for file in KEPT.glob(f"*{suffix}"))
        raise PlanError(f"lexicon not found: {where}; give one of {names} or the path of a .toml or .lexicon file")
    try:
        table = read_table(path)
        given = _lists(table["labels"])
        parents = _lists(table.get("parents", {}))
        ignored, adjectives = (_texts(table.get(key, [])) for key in ("ignored", "adjectives"))
        lexicon = Lexicon(path.stem, given, ignored, adjectives, parents)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise PlanError(f"lexicon {where}: {error!r}; it needs a table [labels] of label = [forms]") from error
    _ = lexicon._forms  # raises if two classes share a form
    return lexicon


def _lists(table: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((label, _texts(forms)) for label, forms in table.items())


def _texts(forms: Any) -> tuple[str, ...]:
    if not isinstance(forms, list) or not all(isinstance(form, str) for form in forms):
        raise TypeError(f"{forms!r} is no list of texts")
    return tuple(forms)


def _all_forms(lexicon: Lexicon) -> dict[tuple[str, ...], Form]:
    ignored = [words for form in lexicon.ignored for words in form.split("|")]
    forms: dict[tuple[str, ...], Form] = {_words(words): Form("") for words in ignored}
    adjectives = frozenset(lexicon.adjectives)
    for label, listed in lexicon.labels:
        own = [] if any(form.partition("|")[0] == label for form in listed) else [label]
        for form in (*own, *listed):
            single, bar, plural = form.partition("|")
            plural = plural if bar else _regular(single)
            for words, many in ((single, False), (plural, True)):
                if not words:
                    continue
                kind = None if single == plural else many
                known = forms.setdefault(
                    _words(words), Form(label, kind, not many and words in adjectives, single or plural)
                )
                if known.label not in (label, ""):
                    raise PlanError(f"lexicon {lexicon.name}: {words!r} stands for {known.label!r} and for {label!r}")
    return forms


def _words(form: str) -> tuple[str, ...]:
    if form.isascii() and form.replace(" ", "").isalnum():  # the same, quickly
        words = tuple(form.casefold().split())
    else:
        words = tuple(word for word, _, _ in split_tokens(form))
    if not 1 <= len(words) <= MOST_WORDS:
        raise PlanError(f"lexicon: the form {form!r} has {len(words)} words; give 1 to {MOST_WORDS}")
    return words


def _regular(word: str) -> str:
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


def _phrase(tokens: list[Token], at: int, size: int) -> tuple[str, ...]:
    return tuple(word for word, _, _ in tokens[at : at + size])


def _longest(forms: dict[tuple[str, ...], Any], tokens: list[Token], at: int, text: str) -> int:
    """Return how many tokens the longest form at a place has, 0 for none; a hyphen outside makes another word."""
    if at and text[tokens[at - 1][2] : tokens[at][1]] == "-":
        return 0
    reach = 1
    while reach < MOST_WORDS and at + reach < len(tokens) and joined(tokens, at + reach, text):
        reach += 1
    for size in range(reach, 0, -1):
        end = at + size
        if _phrase(tokens, at, size) in forms and not (
            end < len(tokens) and text[tokens[end - 1][2] : tokens[end][1]] == "-"
        ):
            return size
    return 0


def _within(start: int, spans: list[tuple[int, int]]) -> bool:
    return any(a <= start < b for a, b in spans)


def _is_noun(form: Form, tokens: list[Token], at: int, size: int, text: str) -> bool:
    """Tell whether a form that may be an adjective is a noun: after a determiner, and with no noun behind it."""
    if not form.is_adjective:
        return True
    if not at or tokens[at - 1][0] not in DETERMINERS:
        return False
    end = at + size
    if end >= len(tokens) or text[tokens[end - 1][2] : tokens[end][1]].strip():
        return True
    follower = tokens[end][0]
    after = tokens[end + 1][0] if end + 1 < len(tokens) else ""
    return follower in SOFT or (follower in ("and", "or") and (after in DETERMINERS or after in NUMBERS))
