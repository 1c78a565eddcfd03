"""Make the lexicon `lvis` and the list of common words from LVIS, WordNet and coco80.

    python -m benchmarks.lexicon.make --lvis lvis_v1_val.json --wordnet usr/share/wordnet

LVIS' annotations (Gupta et al. 2019, arXiv 1908.03195; CC BY 4.0) give 1,203 categories, their synonyms and their
WordNet synsets; WordNet 3.0 (Princeton University, its licence lets it be used, changed and passed on with a notice)
gives lemmas, the words above and below, and how often a word is a noun or a verb; coco80.toml and choices.toml are
ours. Every word goes to one class: choices by hand first, then LVIS' names and synonyms, coco80, lemmas, and the kinds
below. A lemma counts only where its commonest sense is that synset.
"""

import argparse
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.lexicon.common import common_words
from benchmarks.lexicon.wordnet import WordNet, read_wordnet
from benchmarks.lexicon.write import clean, spelled, write_lexicon

HERE = Path(__file__).parent
LEXICA = HERE.parents[1] / "curate" / "captions" / "lexica"
RARE_BELOW = 1  # levels under a category whose single words are kept though no tagged text holds them


@dataclass
class Draft:
    """The lexicon while it is made: forms and parents of each class, and which class has a word."""

    forms: dict[str, list[str]] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, list[list[str]]] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    def label(self, label: str) -> None:
        """Add a class; its label is a word for it."""
        self.forms.setdefault(label, [])
        for word in spelled(label):
            self.owner.setdefault(word, label)

    def add(self, label: str, form: str) -> bool:
        """Give a word to a class, unless another has it or it is dropped."""
        words = spelled(form)
        if any(word in self.dropped for word in words) or any(self.owner.get(word, label) != label for word in words):
            return False
        self.owner.update(dict.fromkeys(words, label))
        if form not in self.forms[label] and form.casefold() != label.casefold():
            self.forms[label].append(form)
        return True

    def put_under(self, label: str, parent: str) -> None:
        """Add an edge, unless it would close a circle."""
        above, queue = set(), [parent]
        for one in queue:
            queue += [up for up in self.parents.get(one, []) if up not in above]
            above.add(one)
        if label not in above and parent not in self.parents.setdefault(label, []):
            self.parents[label].append(parent)


def make(lvis: list[dict[str, Any]], net: WordNet, coco: dict[str, Any], choices: dict[str, Any]) -> Draft:
    """Return the lexicon; order of the steps is the order in which words are taken."""
    draft = Draft(dropped=frozenset(choices["dropped"]["forms"]))
    names = _names(lvis, choices)
    synsets = {category["name"]: net.find(category["synset"]) for category in lvis}
    labels = {one.offset: names[name] for name, one in synsets.items() if one is not None}
    for label in [*coco["labels"], *dict.fromkeys(names.values())]:
        draft.label(label)
    above = {net.find(name): words for name, words in (choices["above"] | choices["more"]).items()}
    if None in above:
        raise SystemExit(f"no such synset: {[n for n in choices['above'] | choices['more'] if net.find(n) is None]}")
    for one, words in above.items():
        if one is not None and words and one.offset not in labels:
            labels[one.offset] = words[0].partition("|")[0] or words[0].partition("|")[2]
            draft.label(labels[one.offset])
    for one, words in above.items():
        for word in words:
            draft.add(labels[one.offset], word)  # type: ignore[union-attr]
    _lvis_words(draft, lvis, names, frozenset(choices["dropped"]["homonyms"]))
    _coco_words(
        draft, coco, {labels[one.offset] for one in map(net.find, choices["above"]) if one and one.offset in labels}
    )
    for offset, label in labels.items():
        for word in net.synsets[offset].words:
            if net.first(word) == offset:
                draft.add(label, clean(word))
    for form in choices["dropped"]["person"]:
        draft.add("person", form)
    _edges(draft, net, labels, choices, names)
    high = {net.find(name) for name in choices["above"]}
    low = {offset: label for offset, label in labels.items() if net.synsets[offset] not in high}
    _below(draft, net, low, choices)
    return draft


def _names(lvis: list[dict[str, Any]], choices: dict[str, Any]) -> dict[str, str]:
    """Return the label of each category of LVIS."""
    coco = {category: name for name, category in choices["coco"].items()}
    names = {}
    for category in lvis:
        name = category["name"]
        kept = choices["merged"].get(name, name)
        names[name] = coco.get(kept) or choices["renamed"].get(kept) or clean(kept)
    return names


def _lvis_words(draft: Draft, lvis: list[dict[str, Any]], names: dict[str, str], homonyms: frozenset[str]) -> None:
    """Add LVIS' synonyms; a name with its meaning in brackets is a word as it stands, for detectors spell it so."""
    for category in lvis:
        label = names[category["name"]]
        full = clean(category["name"], brackets=True)
        if full != label:
            draft.add(label, full)
        for synonym in category["synonyms"]:
            if clean(synonym) not in homonyms:
                draft.add(label, clean(synonym))


def _coco_words(draft: Draft, coco: dict[str, Any], high: set[str]) -> None:
    """Add the words of coco80; a word that is a class of its own is put under COCO's class."""
    for label, forms in coco["labels"].items():
        for form in forms:
            single, _, plural = form.partition("|")
            other = draft.owner.get((single or plural).casefold(), label)
            if other == label:
                draft.add(label, form)
            elif other not in high:
                draft.put_under(other, label)


def _edges(draft: Draft, net: WordNet, labels: dict[str, str], choices: dict[str, Any], names: dict[str, str]) -> None:
    """Put each class under the nearest classes above it."""
    loose = choices["loose"]
    banned = {names[name] for name in loose["parents"]}
    for offset, label in labels.items():
        out = {names.get(parent, parent) for name, own in loose.items() if names.get(name) == label for parent in own}
        passed: set[str] = set()
        for up in net.all_above(offset):
            parent = labels.get(up)
            if parent is None or parent == label or up in passed:
                continue
            passed.update(net.all_above(up))
            if parent not in banned and parent not in out:
                draft.put_under(label, parent)


def _below(draft: Draft, net: WordNet, labels: dict[str, str], choices: dict[str, Any]) -> None:
    """Add the kinds of each class: words below it whose commonest sense is there."""
    kept_out = set(choices["dropped"]["kinds"]) | set(draft.dropped)
    nearest_first = sorted(labels, key=lambda offset: -sum(1 for _ in net.all_above(offset)))
    for offset in nearest_first:
        label = labels[offset]
        if label == "person":
            continue  # see `dropped.person`
        near = _levels(net, offset, RARE_BELOW)
        for down in net.all_below(offset):
            one = net.synsets[down]
            if down in labels or one.field not in (5, 6, 13, 20):
                continue
            if clean(one.words[0]) in choices["dropped"]["unsaid"]:
                continue
            words = [clean(word) for word in one.words if net.first(word) == down and word.islower()]
            words = [
                word
                for word in words
                if word not in kept_out and draft.owner.keys().isdisjoint(spelled(word)) and len(word) > 2
            ]
            met = any(net.count(word.replace(" ", "_"), "noun") for word in words)
            if words and (met or (down in near and label not in choices["families"]["many"] and is_short(words))):
                draft.kinds.setdefault(label, []).append(words)
                draft.owner.update({name: words[0] for word in words for name in spelled(word)})


def is_short(words: list[str]) -> bool:
    """Tell whether one of some words is no compound; compounds are found by their last word anyway."""
    return any(" " not in word for word in words)


def _levels(net: WordNet, offset: str, depth: int) -> set[str]:
    level, all_levels = {offset}, set()
    for _ in range(depth):
        level = {down for up in level for down in net.synsets[up].below}
        all_levels |= level
    return all_levels


def main() -> None:
    """Write lvis.lexicon and common-words.txt into curate/captions/lexica."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lvis", type=Path, required=True, help="an annotation file of LVIS v1, for its categories")
    parser.add_argument("--wordnet", type=Path, required=True, help="the folder with data.noun, index.noun, ...")
    args = parser.parse_args()
    net = read_wordnet(args.wordnet)
    coco = tomllib.loads((LEXICA / "coco80.toml").read_text(encoding="utf-8"))
    choices = tomllib.loads((HERE / "choices.toml").read_text(encoding="utf-8"))
    draft = make(json.loads(args.lvis.read_text(encoding="utf-8"))["categories"], net, coco, choices)
    write_lexicon(LEXICA / "lvis.lexicon", draft, coco, net)
    (LEXICA / "common-words.txt").write_text(common_words(net), encoding="utf-8")


if __name__ == "__main__":
    main()
