"""Write a lexicon as lines of text."""

import re
from pathlib import Path
from typing import Any

from benchmarks.lexicon.wordnet import WordNet

WIDTH = 120
HEAD = """\
# Words for the 1,203 categories of LVIS, the words above them and the kinds below them. Made by
# `python -m benchmarks.lexicon.make`; change its choices, not this file.
#   class: form, form|plural < class above, class above      forms besides the class itself, without a bar regular
#   class > kind, kind=another word for it                   classes below it that have nothing but their names
#   ! phrases that name nothing    ~ words that are nouns only where an article says so
# Sources: categories, synonyms and synsets of LVIS v1 (Gupta et al. 2019, arXiv 1908.03195; annotations CC BY 4.0);
# lemmas and relations of WordNet 3.0, Copyright 2006 by Princeton University, see WORDNET-LICENSE beside this file;
# coco80.toml and choices by hand.
"""


def clean(name: str, brackets: bool = False) -> str:
    """Return a name as captions write it: no underscores, no meaning in brackets, small letters but for names.

    >>> clean("bow_(weapon)"), clean("bow_(weapon)", brackets=True), clean("Ferris_wheel")
    ('bow', 'bow weapon', 'ferris wheel')
    """
    name = name.replace("_", " ")
    name = re.sub(r"[()]", " ", name) if brackets else re.sub(r"\(.*?\)", " ", name)
    return re.sub(r"[^\w]+", " ", name).strip().casefold()


def regular(word: str) -> str:
    """Return the regular plural of a word."""
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


IRREGULAR = {"man": "men", "foot": "feet", "tooth": "teeth", "goose": "geese", "mouse": "mice", "child": "children"}
IRREGULAR |= {"knife": "knives", "shelf": "shelves", "leaf": "leaves", "loaf": "loaves", "calf": "calves"}
IRREGULAR |= {"wolf": "wolves", "scarf": "scarves", "tomato": "tomatoes", "potato": "potatoes", "half": "halves"}
SAME = re.compile(r"(?:fish|sheep|deer|shrimp|squid|salmon|trout|series|species|bison|moose)$")
MANY = re.compile(
    r"(?:scissors|shears|trousers|pants|shorts|jeans|tights|glasses|goggles|binoculars|pajamas|tweezers|pliers|tongs"
    r"|clothes|suspenders|overalls|leggings|sunglasses|spectacles|underwear|drawers|nachos|cymbals|chopsticks)$"
)
MASS = re.compile(
    r"(?:water|milk|juice|coffee|tea|bread|butter|cheese|rice|meat|beef|pork|bacon|soup|sauce|jewelry|money|pasta"
    r"|spaghetti|salsa|tobacco|ware|broccoli|garlic|ginger|celery|lettuce|asparagus|wine|beer|liquor|sugar|honey)$"
)


def plural_of(form: str) -> str:
    """Return a form with its plural where that is not the regular one: "goose|geese", "scissors|scissors"."""
    if "|" in form:
        return form
    head, _, last = form.rpartition(" ")
    start = f"{head} " if head else ""
    if SAME.search(last) or MANY.search(last):
        return f"{form}|{form}"
    for single, many in IRREGULAR.items():
        if last == single or (single in ("man", "child") and last.endswith(single) and last != "human"):
            return f"{form}|{start}{last[: -len(single)]}{many}"
    return form


def spelled(form: str) -> list[str]:
    """Return the singular and the plural of a form, without case."""
    single, bar, plural = plural_of(form).partition("|")
    return [word.casefold() for word in (single, plural if bar else regular(single)) if word]


def write_lexicon(path: Path, draft: Any, coco: dict[str, Any], net: WordNet) -> None:
    """Write a draft; classes in the order of the alphabet."""
    lines = [HEAD.rstrip()]
    hiding = [phrase for phrase in coco["ignored"] if draft.owner.keys().isdisjoint(phrase.split("|"))]
    lines += [*_wrapped("! ", hiding), *_wrapped("~ ", _adjectives(draft, coco, net))]
    for label in sorted(draft.forms):
        forms = dict.fromkeys([plural_of(label), *map(plural_of, draft.forms[label])])
        forms.pop(label, None)
        pairs = [form.partition("|")[0] for form in (*forms, label) if MANY.search(form.partition("|")[0])]
        forms |= dict.fromkeys(f"pair of {form}|pairs of {form}" for form in pairs if not form.startswith("pair"))
        parents = draft.parents.get(label, [])
        own = _wrapped(f"{label}: ", list(forms)) or [f"{label}:"]
        lines += [*own[:-1], own[-1] + (f" < {', '.join(parents)}" if parents else "")]
        kinds = ["=".join(map(plural_of, words)) for words in draft.kinds.get(label, [])]
        lines += _wrapped(f"{label} > ", kinds)
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")


def _adjectives(draft: Any, coco: dict[str, Any], net: WordNet) -> list[str]:
    """Return the words that are adjectives or verbs as often as nouns."""
    own = {word for forms in coco["labels"].values() for form in forms for word in form.split("|")} | set(
        coco["labels"]
    )
    words = [word for word in draft.owner if " " not in word and word not in own]
    often = [w for w in words if net.count(w, "adj") + net.count(w, "verb") >= max(1, net.count(w, "noun"))]
    return sorted(set(coco["adjectives"]) | set(often))


def _wrapped(head: str, items: list[str]) -> list[str]:
    """Return lines that begin alike and hold some items each, with commas between them."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) + 2 <= WIDTH:
            lines[-1] += f", {item}"
        else:
            lines.append(head + item)
    return lines
