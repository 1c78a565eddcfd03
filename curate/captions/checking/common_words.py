"""What common English words mostly are: things, verbs, or something else."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from curate.captions.checking.numbers import NUMBERS
from curate.captions.checking.words import Token, joined

__all__ = [
    "ARTICLES",
    "BEFORE",
    "EMPTY_WORDS",
    "GRAMMAR",
    "Kind",
    "is_plural_thing",
    "kind_of",
    "may_be_verb",
    "names_more",
    "phrase_opens",
    "singulars",
]

Kind: TypeAlias = Literal["thing", "both", "verb", "other"]
"""A noun for a thing; such a noun that can be a verb or adjective too; a verb; any other word, abstract nouns too."""

REACH: Final = 3  # words between an article and its noun
FILE: Final = Path(__file__).parent.parent / "lexica" / "common-words.txt"
SECTIONS: Final[Mapping[str, Kind]] = {"things": "thing", "both": "both", "verbs": "verb", "others": "other"}
# Words for a part of the picture, for the picture itself, for any thing or many things: they claim nothing.
ARTICLES_TEXT: Final = (
    "a an another any both each every few his her its many more my no one other our several some that the their "
    "these this those two various your"
)
ARTICLES: Final = frozenset(ARTICLES_TEXT.split())
BEFORE_TEXT: Final = (
    "above across against along among and around as at atop behind below beneath beside besides between beyond by "
    "from in inside into like near of off on onto or over past through to toward towards under underneath upon via "
    "with within without has have had holds wears includes contains features featuring"
)
BEFORE: Final = frozenset(BEFORE_TEXT.split())
EMPTY_WORDS_TEXT: Final = (
    "accent addition angle area array arrangement art assortment atmosphere background backdrop back base bit "
    "bottom bunch center centre closeup cluster collection color colour colors corner couple cut decor decoration "
    "design detail display edge element end ends equipment event evening expression feature few finish foreground "
    "frame front glow group half highlight hint home image inside item kind lead left length light line look lot "
    "lots mark material merchandise middle moment mood morning name night object occasion one order others outside "
    "pair part parts pattern photo photograph picture piece pile place point portion pose position presence print "
    "product remains rest right row rows scale scene series set setting shade shadow shadows shape shot side sides "
    "sight size space spot stack stretch stripe structure style subject surface tip tone top touch type use variety "
    "view way works thing things interior exterior surroundings perspective pop work recording title text letter "
    "letters word words reading"
)
EMPTY_WORDS: Final = frozenset(EMPTY_WORDS_TEXT.split())
# Words that hold a sentence together, which no list of nouns and verbs has, and participles with forms of their own.
GRAMMAR_TEXT: Final = (
    "all and are because been being can cannot could may might must will but both did does each either every for "
    "had has have having hers herself him himself how itself mine neither nor ours she should shall such than that "
    "them themselves then there theirs these they this those though until was were what when where which while who "
    "whom whose why with would yet you your bent built drawn driven fallen frozen grown held hidden hung kept laid "
    "lit made seen shown stuck swung taken thrown torn woven worn written wrought"
)
COMPOUNDS_TEXT: Final = (
    "app costume drawing event fair festival figurine game icon logo match party pattern photo picture print race "
    "season shape sticker team tournament toy"
)
COMPOUNDS: Final = frozenset(COMPOUNDS_TEXT.split())
"""Words that make another thing, or none, of the noun before them: "a baseball game", "a cat figurine"."""
GRAMMAR: Final = frozenset(GRAMMAR_TEXT.split())
IRREGULAR: Final = {
    "calves": "calf", "children": "child", "dice": "die", "feet": "foot", "geese": "goose", "halves": "half",
    "hooves": "hoof", "knives": "knife", "leaves": "leaf", "lives": "life", "loaves": "loaf", "men": "man",
    "mice": "mouse", "oxen": "ox", "people": "person", "scarves": "scarf", "shelves": "shelf", "teeth": "tooth",
    "thieves": "thief", "wolves": "wolf", "women": "woman", "wives": "wife", "cacti": "cactus", "fungi": "fungus",
}  # fmt: skip


@functools.cache
def _words() -> Mapping[str, Kind]:
    kinds: dict[str, Kind] = {}
    kind: Kind | None = None
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind = SECTIONS[line.strip("[]")]
        elif kind is not None:
            kinds.update(dict.fromkeys(line.split(), kind))
    return kinds


def singulars(word: str) -> list[str]:
    """Return what a word may be the plural of, the likeliest first; none: it is no plural by its form.

    >>> singulars("berries"), singulars("boxes"), singulars("shelves"), singulars("glass")
    (['berry'], ['box', 'boxe'], ['shelf'], [])
    """
    if word in IRREGULAR:
        return [IRREGULAR[word]]
    if not word.endswith("s") or word.endswith(("ss", "us", "is")) or len(word) < 4:
        return []
    if word.endswith("ies") and len(word) > 4:
        return [f"{word[:-3]}y"]
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return [word[:-2], word[:-1]]
    return [word[:-1]]


def kind_of(word: str) -> tuple[Kind | None, str]:
    """Return what a word, without case, mostly is, and its singular; null: it is not in the list in any form.

    >>> kind_of("chimneys"), kind_of("leaned"), kind_of("very"), kind_of("quokka")
    (('thing', 'chimney'), ('verb', 'leaned'), ('other', 'very'), (None, 'quokka'))
    """
    words = _words()
    if word in GRAMMAR:
        return "other", word
    known = words.get(word)
    for single in singulars(word) if known not in ("thing", "both") else ():
        if words.get(single) in ("thing", "both") or (known is None and single in words):
            return words[single], single
    if known is not None:
        return known, word
    for stem in _stems(word):
        if stem in words:
            return ("verb" if words[stem] in ("verb", "both") else "other"), word
    if word.endswith("ly"):
        return "other", word
    return None, (singulars(word) or [word])[0]


def names_more(tokens: list[Token], at: int, text: str) -> bool:
    """Tell whether the word after a token belongs to its noun, as in "horse trailer", so that it names no thing itself.

    Not where the next word may be a verb: "a dog barks" is a dog.
    """
    after = at + 1
    if after >= len(tokens) or text[tokens[at][2] : tokens[after][1]] not in (" ", "-"):
        return False
    word = tokens[after][0]
    kind, single = kind_of(word)
    if word in COMPOUNDS:
        return True
    if word in EMPTY_WORDS or single in EMPTY_WORDS:
        return False
    return kind == "thing" or (kind == "both" and single == word)


def is_plural_thing(word: str) -> bool | None:
    """Tell whether a noun for a thing is a plural; null: it is none."""
    kind, single = kind_of(word)
    return single != word if kind in ("thing", "both") else None


def phrase_opens(tokens: list[Token], at: int, text: str, past_nouns: bool = False) -> bool:
    """Tell whether an article, number or preposition stands before the token, with describing words between at most.

    Nouns end the search unless `past_nouns`: in "a court is orange" no article belongs to the last word.
    """
    for back in range(1, REACH + 2):
        here = at - back
        if here < 0 or not joined(tokens, here + 1, text):
            return False
        word = tokens[here][0]
        if word in ARTICLES or word in NUMBERS or word.isdigit() or (word in BEFORE and word != "to"):
            return True
        if not past_nouns and kind_of(word)[0] in ("thing", "both"):
            return False
    return False


def may_be_verb(word: str) -> bool:
    """Tell whether a word in -s or a plain one may be a verb: "barks" and "watch", not "chairs"."""
    return kind_of(word)[0] in ("both", "verb")


def _stems(word: str) -> list[str]:
    """Return the verbs that a word may be a participle or past of."""
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            doubled = [stem[:-1]] if stem[-1] == stem[-2] else []
            return [stem, f"{stem}e", *doubled]
    return []
