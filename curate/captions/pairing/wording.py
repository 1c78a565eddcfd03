"""English words that edits change: articles, plurals, numbers, colours, places."""

import re
from typing import Final

from curate.captions.checking.lexicon import Lexicon

__all__ = ["ARTICLE", "COLOURS", "NUMBER_WORDS", "OPPOSITES", "SIGNS", "article", "is_plural", "like", "plural"]

ARTICLE: Final = re.compile(r"\b[Aa]n? $")
"""An article at the end of a text, with its blank."""

NUMBER_WORDS: Final = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
"""The word of each number, 0 to 20."""

COLOURS: Final[dict[str, frozenset[str]]] = {
    "red": frozenset({"red", "orange", "pink", "brown"}),
    "orange": frozenset({"orange", "red", "yellow", "brown"}),
    "yellow": frozenset({"yellow", "orange", "white"}),
    "green": frozenset({"green", "blue"}),
    "blue": frozenset({"blue", "purple", "green"}),
    "purple": frozenset({"purple", "blue", "pink"}),
    "pink": frozenset({"pink", "purple", "red", "white"}),
    "brown": frozenset({"brown", "black", "orange", "red"}),
    "black": frozenset({"black", "brown", "gray", "grey"}),
    "white": frozenset({"white", "gray", "grey", "yellow", "pink"}),
    "gray": frozenset({"gray", "grey", "white", "black"}),
}
"""The eleven basic colour terms of English (Berlin and Kay 1969), each with those that a person might call the same."""

OPPOSITES: Final = {
    "left": "right",
    "right": "left",
    "top": "bottom",
    "bottom": "top",
    "upper": "lower",
    "lower": "upper",
}
"""Words of place, and what is wrong where they are right."""

SIGNS: Final = (
    "open", "exit", "sale", "coffee", "market", "hotel", "music", "garden", "station", "bakery", "school", "winter",
    "summer", "street", "north", "private", "welcome", "danger", "ticket", "museum", "bridge", "office", "lunch",
)  # fmt: skip
"""Words that a sign might hold."""


def article(name: str) -> str:
    """Return a name with the article that it sounds like it takes.

    >>> article("dog"), article("umbrella"), article("hour glass"), article("unicycle")
    ('a dog', 'an umbrella', 'an hour glass', 'a unicycle')
    """
    return f"{'an' if re.match(r'[aeio]|u(?!ni|s[aei])|hour|honest', name, re.I) else 'a'} {name}"


def like(model: str, word: str) -> str:
    """Return a word in capitals, with a capital, or as it is: as the model is written.

    >>> like("STOP", "sale"), like("Stop", "sale"), like("A ", "an ant"), like("stop", "sale")
    ('SALE', 'Sale', 'An ant', 'sale')
    """
    if model.isupper() and len(model.strip()) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def plural(lexicon: Lexicon, label: str) -> str:
    """Return the plural of a class's own name."""
    for form in dict(lexicon.labels).get(label, ()):
        single, bar, many = form.partition("|")
        if single == label and bar and many:
            return many
    if re.search(r"(?:s|x|z|ch|sh)$", label):
        return label + "es"
    return label[:-1] + "ies" if re.search(r"[^aeiou]y$", label) else label + "s"


def is_plural(lexicon: Lexicon, label: str, surface: str) -> bool:
    """Tell whether a word of a class is one of its plurals: no singular form of it, by the lexicon."""
    singles = {form.partition("|")[0].casefold() for form in dict(lexicon.labels).get(label, ())} | {label.casefold()}
    return " ".join(re.findall(r"\w+", surface.casefold())) not in {
        " ".join(re.findall(r"\w+", single)) for single in singles
    }
