"""Names and numbers of an alt text: what no image can give, and a rewrite should keep."""

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["capitals_tell", "kept", "names_and_numbers"]

WORD: Final = re.compile(r"\w(?:[\w.:/,'\u2019-]*\w)?|[.!?;:,()\"\u201c\u201d|/\n-]")
FILE: Final = re.compile(
    r"(?i)(?:IMG|DSC[NF]?|DCIM|PXL|image|untitled|photo|screenshot|file|scan)[_-]?\d[\w().-]*|\S+\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?"
    r"|heic|svg|pdf)\b|(?:https?://|www\.)\S+|\S+@\S+\.\w+|\S+\.(?:com|net|org)\b\S*"
)
# Words that are capitals at the start of a sentence or a title and name nothing.
WORDS: Final = (
    "a an and at by for from i in it its my of on or our the their this to with your how what when where who why is "
    "are new old best free buy photo image picture portrait view close-up closeup detail stock"
)
PLAIN: Final = frozenset(WORDS.split())
SENTENCE: Final = frozenset(".!?\n")


def names_and_numbers(text: str) -> list[str]:
    """Return the names and numbers of a text, each once, in its order.

    A name is a run of words with a capital, less the first of a sentence if it stands alone; a number is a word with a
    digit. File names, links and addresses are neither. Where nearly every word has a capital (a title, or capitals
    throughout), capitals tell nothing and only numbers are returned; so it is in scripts without capitals.

    >>> names_and_numbers("The Eiffel Tower in Paris, painted by Robert Delaunay in 1911. DSC_0421.JPG")
    ['Eiffel Tower', 'Paris', 'Robert Delaunay', '1911']
    >>> names_and_numbers("Beautiful Red Summer Dress For Women Size 42"), names_and_numbers("a dog")
    (['42'], [])
    """
    words = WORD.findall(FILE.sub(" ", text))
    capitals_mark_names = capitals_tell(words)
    names: dict[str, None] = {}
    run: list[str] = []
    start = first = True
    for word in [*words, "."]:
        if capitals_mark_names and word[0].isupper() and not (start and not run and word.casefold() in PLAIN):
            first = start if not run else first
            run.append(re.sub(r"['\u2019]s$", "", word))
        else:
            if len(run) > 1 or (run and (not first or any(c.isupper() or c.isdigit() for c in run[0][1:]))):
                names[" ".join(run)] = None
            run = []
            if any(c.isdigit() for c in word):
                names[word] = None
        start = word in SENTENCE
    return list(names)


def kept(name: str, text: str) -> bool:
    """Tell whether every word of a name stands in a text as a word of its own, whatever its case.

    >>> kept("Eiffel Tower", "The tower that Eiffel built"), kept("1911", "in 19110")
    (True, False)
    """
    return all(
        re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", text.casefold()) is not None for word in name.split()
    )


def capitals_tell(words: Sequence[str]) -> bool:
    """Tell whether capitals mark names: not where every longer word of many has one, or no word at all is small."""
    cased = [word for word in words if word[0].lower() != word[0].upper()]
    if len(cased) > 1 and all(word.isupper() for word in cased):
        return False
    longer = [word for word in cased if len(word) > 3]
    if not all(word[0].isupper() for word in longer):
        return True
    return len(longer) < (4 if all(word[0].isupper() for word in cased) else 6)
