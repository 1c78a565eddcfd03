"""Which words of a caption name an object that a detector knows, where they stand and how many they claim."""

import functools
import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from curate.errors import PlanError

__all__ = ["Lexicon", "Mention", "Token", "quotes", "read_lexicon", "split_tokens"]

KEPT: Final = Path(__file__).parent / "lexica"

Token: TypeAlias = tuple[str, int, int]
"""A word without case, its start and its end in characters."""

Form: TypeAlias = tuple[str, bool | None, bool]
"""The label ("": ignored), whether it is a plural (null: also a singular), whether it may be an adjective."""

WORD: Final = re.compile(r"[^\W_]+")
# A straight apostrophe quotes only where no letter stands outside it: "dog's" and "dogs'" are no quotations.
QUOTE: Final = re.compile(
    r'(?<![0-9A-Za-z])"([^"\n]{1,400})"|\u201c([^\u201c\u201d\n]{1,400})\u201d|\u201e([^\u201c\u201d\u201e\n]{1,400})[\u201c\u201d]|'
    r"\u00ab([^\u00ab\u00bb\n]{1,400})\u00bb|\u300c([^\u300c\u300d\n]{1,400})\u300d|"
    r"(?<!\w)\u2018([^\u2018\n]{1,200}?)\u2019(?!\w)|(?<!\w)'(?=\S)([^'\n]{1,200}?)(?<=\S)'(?!\w)"
)
COUNTED: Final = (
    "three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
)
NUMBERS: Final = {
    **dict.fromkeys(("no", "without", "zero"), 0),
    **dict.fromkeys(("a", "an", "one", "another", "single"), 1),
    **dict.fromkeys(("two", "both", "pair", "couple"), 2),
    **{word: number for number, word in enumerate(COUNTED.split(), 3)},
    "dozen": 12,
}
# A number on the far side of one of these belongs to another noun: "two men on a horse", "a plate with apples".
STOP_WORDS: Final = (
    "above across among and are around as at behind below beneath beside between but by can carries carry contain "
    "contains each every few for from has have her his hold holds in include includes into is its like many more "
    "my near next of off on onto or our over past reads says several show shows sit sits some stand stands than "
    "that the their then these this those to toward towards under upon any was wear wears were where which while "
    "who with within your"
)
STOP: Final = frozenset(STOP_WORDS.split())
NEGATIONS: Final = frozenset(("not", "without", "never"))
ABSENCES: Final = frozenset(("absence", "devoid", "empty", "free", "lack"))
SOFT_WORDS: Final = (
    "are at beside beneath between behind from has in is lies lying near next on placed resting rests sits "
    "sitting that to under was which with"
)
SOFT: Final = frozenset(SOFT_WORDS.split())
DETERMINERS: Final = frozenset(("a", "an", "another", "each", "half", "one", "that", "the", "this"))
WALK: Final = 4  # so many words between a number and its noun: "two very small brown dogs"
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
    orange sky"). Words are compared without case; the longest form wins, so a "hot dog" is no dog. Left out: scripts
    without blanks between words, and plurals of other languages unless they are listed.
    Source: in the spirit of CHAIR (Rohrbach et al. 2018, arXiv 1809.02156), whose list of synonyms is another.
    """

    name: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = field(repr=False)
    ignored: tuple[str, ...] = field(default=(), repr=False)
    adjectives: tuple[str, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        table = repr((self.labels, self.ignored, self.adjectives)).encode()
        return f"Lexicon({self.name!r}, blake2b={hashlib.blake2b(table, digest_size=8).hexdigest()})"

    def __hash__(self) -> int:
        return hash((self.name, len(self.labels)))  # quick: it is the key of a cache

    def mentions(self, text: str) -> list[Mention]:
        """Return every mention outside quotation marks, in order.

        >>> coco = read_lexicon("coco80")
        >>> [(m.label, m.start, m.end, m.count) for m in coco.mentions("Two puppies eat a hot dog; no cats here.")]
        [('dog', 4, 11, 2), ('hot dog', 18, 25, 1), ('cat', 30, 34, 0)]
        """
        forms = _forms(self)
        tokens = split_tokens(text)
        quoted = [(start, end) for start, end, _ in quotes(text)]
        found: list[Mention] = []
        at, last = 0, -1
        while at < len(tokens):
            size = _longest(forms, tokens, at, text)
            form = forms.get(_phrase(tokens, at, size)) if size else None
            if form is not None and form[0] and not _within(tokens[at][1], quoted):
                label, is_plural, is_adjective = form
                if not is_adjective or _is_noun(tokens, at, size, text):
                    count = _count(tokens, at, last, text)
                    if count is None and found and found[-1].count == 0:
                        count = _denied(text[found[-1].end : tokens[at][1]])
                    number = None if count is not None and _clash(count, is_plural) else count
                    found.append(Mention(label, tokens[at][1], tokens[at + size - 1][2], number))
                    last = at + size - 1
            at += size or 1
        return found

    def label_of(self, name: str) -> str | None:
        """Return the class that a detector's label means, None if the lexicon does not know it.

        >>> read_lexicon("coco80").label_of("Dining_Table")
        'dining table'
        """
        words = tuple(word for word, _, _ in split_tokens(name.replace("_", " ")))
        form = _forms(self).get(words)
        return (form[0] or None) if form else None

    def is_plural(self, phrase: str) -> bool | None:
        """Tell whether a form is a plural; null: the lexicon does not know it, or it is both, as "sheep".

        >>> [read_lexicon("coco80").is_plural(word) for word in ("dogs", "dog", "sheep")]
        [True, False, None]
        """
        form = _forms(self).get(tuple(word for word, _, _ in split_tokens(phrase)))
        return form[1] if form else None


def read_lexicon(where: str) -> Lexicon:
    """Read a kept lexicon by name ("coco80") or a TOML file by path; raises PlanError if it cannot be.

    The file holds `[labels]` with a list of forms for each class, and may hold the lists `ignored` and `adjectives`.
    """
    path = Path(where) if where.endswith(".toml") else KEPT / f"{where}.toml"
    if not path.is_file():
        kept = sorted(file.stem for file in KEPT.glob("*.toml"))
        raise PlanError(f"lexicon not found: {where}; give one of {kept} or the path of a .toml file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        labels = tuple((label, _texts(forms)) for label, forms in table["labels"].items())
        lexicon = Lexicon(path.stem, labels, *(_texts(table.get(key, [])) for key in ("ignored", "adjectives")))
    except (tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError, UnicodeDecodeError) as error:
        raise PlanError(f"lexicon {where}: {error!r}; it needs a table [labels] of label = [forms]") from error
    _forms(lexicon)  # raises if two classes share a form
    return lexicon


def quotes(text: str) -> list[tuple[int, int, str]]:
    r"""Return start, end and content of each quotation, the marks outside of content but inside of start and end.

    >>> quotes('The dog\'s sign reads "STOP" or “GO”.')
    [(21, 27, 'STOP'), (31, 35, 'GO')]
    """
    return [(m.start(), m.end(), next(g for g in m.groups() if g is not None)) for m in QUOTE.finditer(text)]


def split_tokens(text: str) -> list[Token]:
    """Return the runs of letters and digits, without case, and where they stand."""
    return [(m.group().casefold(), m.start(), m.end()) for m in WORD.finditer(text)]


@functools.lru_cache(maxsize=64)
def _forms(lexicon: Lexicon) -> dict[tuple[str, ...], Form]:
    forms: dict[tuple[str, ...], tuple[str, bool | None, bool]] = {
        _words(p): ("", None, False) for p in lexicon.ignored
    }
    for label, listed in lexicon.labels:
        own = [] if any(form.partition("|")[0] == label for form in listed) else [label]
        for form in (*own, *listed):
            single, bar, plural = form.partition("|")
            plural = plural if bar else _regular(single)
            for words, many in ((single, False), (plural, True)):
                if not words:
                    continue
                kind = None if single == plural else many
                known = forms.setdefault(_words(words), (label, kind, not many and words in lexicon.adjectives))
                if known[0] not in (label, ""):
                    raise PlanError(f"lexicon {lexicon.name}: {words!r} stands for {known[0]!r} and for {label!r}")
    return forms


def _texts(forms: Any) -> tuple[str, ...]:
    if not isinstance(forms, list) or not all(isinstance(form, str) for form in forms):
        raise TypeError(f"{forms!r} is no list of texts")
    return tuple(forms)


def _words(form: str) -> tuple[str, ...]:
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
    while reach < MOST_WORDS and at + reach < len(tokens) and _joined(tokens, at + reach, text):
        reach += 1
    for size in range(reach, 0, -1):
        end = at + size
        if _phrase(tokens, at, size) in forms and not (
            end < len(tokens) and text[tokens[end - 1][2] : tokens[end][1]] == "-"
        ):
            return size
    return 0


def _joined(tokens: list[Token], at: int, text: str) -> bool:
    """Tell whether only blanks or one hyphen part a token from the one before."""
    return text[tokens[at - 1][2] : tokens[at][1]].strip() in ("", "-")


def _within(start: int, spans: list[tuple[int, int]]) -> bool:
    return any(a <= start < b for a, b in spans)


def _count(tokens: list[Token], at: int, last: int, text: str) -> int | None:
    """Return the number that the words before a mention give it; `last` is the token where the one before ends."""
    for back in range(1, WALK + 2):
        here = at - back
        if here <= last or not _joined(tokens, here + 1, text):
            return None
        word = tokens[here][0]
        if word == "of" and here - 1 > last:
            before = tokens[here - 1][0]
            return 0 if before in ABSENCES else 2 if before in ("pair", "couple") else None
        number = NUMBERS.get(word, int(word) if word.isascii() and word.isdigit() and len(word) < 4 else None)
        if number is not None:
            return 0 if number == 1 and _negated(tokens, here, text) else number
        if word in STOP or word.endswith("ing") or re.search(r"[^su]s$", word):
            return None
    return None


def _negated(tokens: list[Token], at: int, text: str) -> bool:
    if not at:
        return False
    before, _, end = tokens[at - 1]
    return _joined(tokens, at, text) and (before in NEGATIONS or text[:end].endswith(("n't", "n\u2019t")))


def _denied(between: str) -> int | None:
    """Return 0 where a denial goes on: "no cars, people or dogs"."""
    return 0 if re.fullmatch(r"\s*(?:,\s*)?(?:or|nor)?\s*", between) else None


def _clash(count: int, is_plural: bool | None) -> bool:
    """Tell whether a number cannot belong to the noun: "a man riding horses"."""
    return (count == 1 and is_plural is True) or (count > 1 and is_plural is False)


def _is_noun(tokens: list[Token], at: int, size: int, text: str) -> bool:
    """Tell whether a form that may be an adjective is a noun: after a determiner, and with no noun behind it."""
    if not at or tokens[at - 1][0] not in DETERMINERS:
        return False
    end = at + size
    if end >= len(tokens) or text[tokens[end - 1][2] : tokens[end][1]].strip():
        return True
    follower = tokens[end][0]
    after = tokens[end + 1][0] if end + 1 < len(tokens) else ""
    return follower in SOFT or (follower in ("and", "or") and (after in DETERMINERS or after in NUMBERS))
