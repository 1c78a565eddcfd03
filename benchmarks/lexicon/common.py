"""List the common words of English by what they are, for the finder of open nouns."""

import textwrap

from benchmarks.lexicon.wordnet import WordNet

THINGS = frozenset((5, 6, 8, 13, 17, 20))  # animals, artefacts, bodies, food, natural objects, plants
NEVER_TAGGED = frozenset((6, 13, 17))  # of these fields also words that no tagged text holds
# By our choice: words for things whose commonest sense WordNet files elsewhere.
MORE_THINGS = (
    "cloud snow water sand mud fog mist flame dirt gravel plaza patio lawn banner badge logo tattoo puddle icicle "
    "icon trailer toolbar cursor receipt invoice chart graph diagram grass paper forest jam olive icing charcoal "
    "cable peak dial sole lace scarf veil arch marble chain cart cube packaging document crest leaf coral lightning "
    "mannequin spice excavator sunbeam playroom classroom dungarees letter page stamp wing band message"
)
MORE_OF_BOTH = (
    "glass cover board watch park slice sign wave splash bubble field trail track seat desktop menu ticket steam "
    "smoke ice fire dust block tag model court net dress yard stage button paint crowd hand"
)
MORE = {"things": MORE_THINGS, "both": MORE_OF_BOTH}
UNSAID = frozenset(("spic",))
PERSONS = 18  # left out: many of the words are slurs, and who is seen is in the lexicon
HEAD = """\
# Common words of English and what they mostly are, for the finder of nouns. Made by `python -m benchmarks.lexicon.make`
# from WordNet 3.0, Copyright 2006 by Princeton University, see WORDNET-LICENSE beside it. A word is a thing where
# its commonest sense as a noun is an animal, an artefact, a part of a body, food, a natural object or a plant.
# [things] mostly nouns for things; [both] such nouns that can be verbs or adjectives too; [verbs]; [others]: the rest.
"""


def common_words(net: WordNet) -> str:
    """Return the text of common-words.txt."""
    lists: dict[str, list[str]] = {"things": [], "both": [], "verbs": [], "others": []}
    more = {word: name for name, words in MORE.items() for word in words.split()}
    every = sorted({word for word, _ in net.counts} | set().union(*net.words.values()))
    for word in every:
        if word in UNSAID or not word.isascii() or not word.isalpha() or len(word) < 3:
            continue
        if word in more:
            lists[more[word]].append(word)
            continue
        noun, verb = net.count(word, "noun"), net.count(word, "verb")
        other = net.count(word, "adj") + net.count(word, "adv")
        first = net.first(word)
        is_thing = first is not None and net.synsets[first].field in THINGS
        if first is not None and net.synsets[first].field == PERSONS and noun >= verb + other:
            continue
        if (
            is_thing
            and not noun + verb + other
            and net.synsets[str(first)].field in NEVER_TAGGED
            and is_small(net, word)
        ):
            lists["both" if word in net.words["verb"] or word in net.words["adj"] else "things"].append(word)
        elif is_thing and noun >= max(verb, other) and noun:
            lists["both" if word in net.words["verb"] or other > noun / 4 else "things"].append(word)
        elif verb and verb >= max(noun, other):
            lists["verbs"].append(word)
        elif noun + verb + other:
            lists["others"].append(word)
        elif word in net.words["verb"] and word not in net.words["noun"]:
            lists["verbs"].append(word)
    parts = [f"[{name}]\n{textwrap.fill(' '.join(words), 118)}\n" for name, words in lists.items()]
    return HEAD + "\n".join(parts)


def is_small(net: WordNet, word: str) -> bool:
    """Tell whether a noun is written without a capital."""
    return word in net.synsets[str(net.first(word))].words
