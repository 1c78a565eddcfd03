"""Write English labels of a detector as a question needs them: with an article, in the plural."""

from typing import Final

__all__ = ["one", "plural"]

_IRREGULAR: Final = {
    "cactus": "cacti",
    "child": "children",
    "deer": "deer",
    "fish": "fish",
    "foot": "feet",
    "goose": "geese",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "sheep": "sheep",
    "shelf": "shelves",
    "tooth": "teeth",
    "wolf": "wolves",
}
_PAIRS: Final = frozenset(
    ("binoculars", "glasses", "jeans", "pants", "pliers", "scissors", "shorts", "skis", "sunglasses", "trousers")
)
_YOU: Final = ("eu", "one", "ufo", "uni", "use", "ute")  # written with a vowel, spoken without
_VOWELS: Final = tuple("aeiou")


def one(label: str) -> str:
    """Return a label with its article.

    >>> one("dog"), one("apple"), one("unicycle"), one("scissors")
    ('a dog', 'an apple', 'a unicycle', 'a pair of scissors')
    """
    head, _, last = label.rpartition(" ")
    if last.lower() in _PAIRS:
        return " ".join(part for part in ("a", head, "pair of", last) if part)
    first = label.lower()
    return f"{'an' if first.startswith(_VOWELS) and not first.startswith(_YOU) else 'a'} {label}"


def plural(label: str) -> str:
    """Return the plural of a label: that of its last word, but of its first before "of" and the like.

    >>> [plural(label) for label in ("dog", "wine glass", "person", "butterfly", "piece of cake", "scissors")]
    ['dogs', 'wine glasses', 'people', 'butterflies', 'pieces of cake', 'scissors']
    """
    for joint in (" of ", " in ", " with ", " on "):
        if joint in label:
            head, _, tail = label.partition(joint)
            return f"{plural(head)}{joint}{tail}"
    head, _, last = label.rpartition(" ")
    return f"{head} {_many(last)}" if head else _many(last)


def _many(word: str) -> str:
    low = word.lower()
    if low in _PAIRS:
        return word
    for single, many in _IRREGULAR.items():
        if low.endswith(single) and (low == single or single in ("child", "fish", "foot", "knife", "person", "shelf")):
            return word[: len(word) - len(single)] + many
    if low.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if low.endswith("y") and low[-2:-1] not in _VOWELS:
        return f"{word[:-1]}ies"
    return f"{word}s"
