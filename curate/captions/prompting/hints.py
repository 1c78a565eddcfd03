"""The hint block: what experts measured and the web page said, as text for the captioner."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final, Literal

from curate.captions.boxes import area, is_box, overlap
from curate.captions.prompting.commands import COMMANDS_V1, find_command, find_commands
from curate.captions.prompting.marking import UNMARKED, Marking, Marks
from curate.captions.prompting.places import PLACES, Place, place_style, write_place
from curate.captions.prompting.tokens import estimate_tokens
from curate.captions.prompting.untrusted import neutral
from curate.captions.prompting.world_knowledge import world_knowledge
from curate.captions.text import line_words
from curate.errors import PlanError
from schemas.prefix import repr_without_defaults

__all__ = [
    "BLOCKS",
    "Block",
    "Budgets",
    "HintBlock",
    "Hints",
    "LeftOut",
    "Section",
]


BY_STRANGERS: Final = ("alt_text", "ocr")  # blocks whose wording is not ours, nor that of a list of labels
SAME_THING: Final = 0.6  # IoU of two boxes of one label, Monkey's (arXiv 2311.06607)


@dataclass(frozen=True, slots=True)
class _Item:
    """One line to be: its text, its place ("" for none), and where it stands among those that are shown."""

    text: str
    place: str = ""
    order: float = 0.0


@dataclass(frozen=True, slots=True)
class Section:
    """How one block is written: a heading, then its items; a block without items is left out, heading too.

    `item` may hold {text} (quoted or not: the text has no quotes of its own) and {place}.
    """

    heading: str
    item: str
    separator: str = "\n"

    def render(self, items: Iterable[tuple[str, str]]) -> str:
        """Return the block of (text, place) pairs, "" for none."""
        lines = [self.line(text, place) for text, place in items if text]
        return self.heading + self.separator.join(lines) if lines else ""

    def line(self, text: str, place: str) -> str:
        """Return one item."""
        return self.item.replace("{place}", place).replace("{text}", text)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Most tokens of each block, heading included, and of all together, as `estimate_tokens` counts them.

    Ours: thirty boxes of DenseFusion's form are about 1,000 tokens, more than an image of 448 px has.
    """

    alt_text: int = 400
    objects: int = 1_000
    ocr: int = 600
    attributes: int = 300
    tags: int = 200
    total: int = 1_400

    def __post_init__(self) -> None:
        if bad := [name for name in self.__dataclass_fields__ if getattr(self, name) < 0]:
            raise PlanError(f"Budgets: {bad[0]} is {getattr(self, bad[0])}; it must be at least 0")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item that was wanted and is not in the block: `reason` is "budget", "long" or the kind of its command."""

    block: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class HintBlock:
    """The text for the prompt, and what is not in it."""

    text: str
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Hints:
    """Writes the hint block of a sample: world knowledge (the alt text), objects, text lines, attributes, tags.

    `blocks` names those that are wanted; what was not measured or is empty is left out. `place` says how boxes are
    written: "fraction" 0-1 with three decimals (DenseFusion), "pixels" of the image that the model sees,
    "thousandths", or "words" of a nine-way grid; None: as the model's family wants them, which `for_model` looks up
    (until then "fraction"). Of objects, every other place goes to the highest score and to the smallest of the rest;
    they are listed largest first. Over a budget whole items go, the last first.

    Texts are untrusted: see `neutral`. Of the alt text `alt_text_as` shows the "names" and numbers alone (see
    `world_knowledge`), or the whole "text", which a budget shortens by whole words. A line of the picture with more
    than `max_line_words` words is left for the model to read there (None: all are shown). `marking` sets what
    strangers wrote apart (None: it does not). What talks to the model (`find_commands` with the list `commands`, over
    alt text and lines together; None: no check) is left out.

    `object_columns` and `tag_columns` name the columns that are read, where several detectors or taggers measured: what
    they found is put together, and of two boxes of one label with an IoU of 0.6 or more the surer stays.
    Source: order and box format DenseFusion (Li et al. 2024, arXiv 2407.08303, C.2), which favours small objects but
    does not disclose its thresholds; `min_line_score` is Monkey's for PP-OCR (arXiv 2311.06607);
    `min_attribute_probability` HumanCaption's. The budgets are ours.
    """

    blocks: tuple[str, ...] = ("alt_text", "objects", "ocr")
    place: Place | None = "fraction"
    alt_text: Section = Section("World knowledge (from the text of the web page):\n", '"{text}"')
    objects: Section = Section("Objects found by a detector:\n", "- {text}: {place}")
    ocr: Section = Section("Text found in the picture:\n", '- "{text}"')
    attributes: Section = Section("Attributes found by a classifier: ", "{text}", " | ")
    tags: Section = Section("Tags: ", "{text}", " | ")
    min_object_score: float = 0.0
    min_line_score: float = 0.85
    min_attribute_probability: float = 0.85
    max_objects: int = 30
    max_lines: int = 30
    max_tags: int = 30
    max_alt_text_characters: int = 400
    max_line_characters: int = 120
    budgets: Budgets = Budgets()
    commands: str | None = COMMANDS_V1
    alt_text_as: Literal["names", "text"] = "names"
    max_line_words: int | None = None
    marking: Marking | None = Marking()
    object_columns: tuple[str, ...] = ("objects",)
    tag_columns: tuple[str, ...] = ("tags",)

    def __repr__(self) -> str:
        return repr_without_defaults(self, "object_columns", "tag_columns")

    def __post_init__(self) -> None:
        names = [block.name for block in BLOCKS]
        if unknown := set(self.blocks) - set(names):
            raise PlanError(f"Hints: unknown blocks {sorted(unknown)}; there are {names}")
        if self.place is not None and self.place not in PLACES:
            raise PlanError(f"Hints: place is {self.place!r}; it must be one of {sorted(PLACES)}")
        if self.alt_text_as not in ("names", "text"):
            raise PlanError(f"Hints: alt_text_as is {self.alt_text_as!r}; it must be 'names' or 'text'")
        if self.max_line_words is not None and self.max_line_words < 1:
            raise PlanError(f"Hints: max_line_words is {self.max_line_words}; it must be at least 1, or None")
        if self.commands is not None:
            find_command("", self.commands)

    def for_model(self, model: str) -> "Hints":
        """Return the hints with boxes in the form of a model's family, unless `place` already says how.

        >>> Hints(place=None).for_model("Qwen/Qwen3-VL-8B-Instruct").place, Hints().for_model("any").place
        ('thousandths', 'fraction')
        """
        return self if self.place is not None else replace(self, place=place_style(model))

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns that the wanted blocks read."""
        return tuple(column for block in BLOCKS if block.name in self.blocks for column in self.columns(block))

    def columns(self, block: "Block") -> tuple[str, ...]:
        """Return the columns that a block reads."""
        return {"objects": self.object_columns, "tags": self.tag_columns}.get(block.name, (block.column,))

    def without(self, *blocks: str) -> "Hints":
        """Return the hints less some blocks."""
        return replace(self, blocks=tuple(block for block in self.blocks if block not in blocks))

    def render(self, row: Mapping[str, Any], width_px: int, height_px: int) -> str:
        """Return the block for one row, "" if nothing is known; the size is that of the image the model sees."""
        return self.write(row, width_px, height_px).text

    def write(self, row: Mapping[str, Any], width_px: int, height_px: int) -> HintBlock:
        """Return the block for one row as `render` does, and what was left out of it; `uid` decides on the marks."""
        marks = self.marking.of(row.get("uid") or "") if self.marking is not None else UNMARKED
        left_out: list[LeftOut] = []
        items: dict[str, list[_Item]] = {}
        for block in BLOCKS:
            if block.name in self.blocks and (value := _together(row, self.columns(block))):
                items[block.name] = block.read(self, value, width_px, height_px)
        kinds = self._commands(items)
        items = {name: self._harmless(name, values, kinds, left_out) for name, values in items.items()}
        kept = self._within_budgets(items, marks)
        for name, values in items.items():
            left_out += [self._left_out(name, "budget", item.text) for item in values[len(kept[name]) :]]
        return HintBlock(self._join(kept, marks), tuple(left_out))

    def _commands(self, blocks: Mapping[str, list[_Item]]) -> dict[str, str]:
        """Return the kind of command of each text that is one, or is part of one that strangers' texts spread over."""
        if self.commands is None:
            return {}
        texts = [self._read(name, item) for name in BY_STRANGERS for item in blocks.get(name, ())]
        kinds = dict(zip(texts, find_commands(texts, self.commands), strict=True))
        labels = [self._read(name, item) for name in blocks if name not in BY_STRANGERS for item in blocks[name]]
        kinds |= {label: find_command(label, self.commands) for label in labels if label not in kinds}
        return {text: kind for text, kind in kinds.items() if kind is not None}

    def _read(self, block: str, item: _Item) -> str:
        """Return as much of a text as `neutral` reads."""
        return item.text[: 8 * self._most_characters(block)]

    def _most_characters(self, block: str) -> int:
        return self.max_alt_text_characters if block == "alt_text" else self.max_line_characters

    def _harmless(
        self, block: str, items: list[_Item], kinds: Mapping[str, str], left_out: list[LeftOut]
    ) -> list[_Item]:
        """Return the items as they may be quoted, less those that are commands and those of which nothing is left."""
        safe = []
        for item in items:
            read = self._read(block, item)
            if (reason := kinds.get(read) or self._too_long(block, item)) is not None:
                left_out.append(self._left_out(block, reason, item.text))
                continue
            texts = world_knowledge(read) if block == "alt_text" and self.alt_text_as == "names" else [read]
            shown = (neutral(text, self._most_characters(block)) for text in texts)
            safe += [replace(item, text=text) for text in shown if text]
        return safe

    def _too_long(self, block: str, item: _Item) -> str | None:
        if block != "ocr" or self.max_line_words is None:
            return None
        return "long" if line_words(item.text) > self.max_line_words else None

    def _left_out(self, block: str, reason: str, text: str) -> LeftOut:
        return LeftOut(block, reason, neutral(text, self.max_line_characters))

    def _line(self, block: str, item: _Item, marks: Marks) -> str:
        section: Section = getattr(self, block)
        return section.line(marks.join(item.text) if block in BY_STRANGERS else item.text, item.place)

    def _within(self, block: str, items: list[_Item], budget: int, marks: Marks) -> list[_Item]:
        """Return the first items, as many as a budget holds; the alt text, cut at a word."""
        section: Section = getattr(self, block)
        fence = marks.enclose(" ") if block in BY_STRANGERS else ""
        room = budget - estimate_tokens(section.heading + fence)
        costs = [estimate_tokens(self._line(block, item, marks) + section.separator) for item in items]
        if block == "alt_text" and self.alt_text_as == "text" and costs and costs[0] > room:
            return self._shorter(items[0], room, marks)
        return [item for item, cost in zip(items, accumulate(costs), strict=True) if cost <= room]

    def _shorter(self, item: _Item, room: int, marks: Marks) -> list[_Item]:
        while (cost := estimate_tokens(self._line("alt_text", item, marks) + self.alt_text.separator)) > room:
            characters = min(len(item.text) - 1, len(item.text) * max(0, room) // cost)
            text = neutral(item.text, characters) if characters > 1 else "\u2026"
            if text == "\u2026":
                return []
            item = replace(item, text=text)
        return [item]

    def _within_budgets(self, blocks: dict[str, list[_Item]], marks: Marks) -> dict[str, list[_Item]]:
        """Return the items that stay: each block within its budget, then all within the total, by rank."""
        budgets = {block: getattr(self.budgets, block) for block in blocks}
        kept = {block: self._within(block, items, budgets[block], marks) for block, items in blocks.items()}
        costs = {block: estimate_tokens(self._show(block, items, marks)) + 1 for block, items in kept.items() if items}
        explained = estimate_tokens(marks.explanation) + 1 if any(map(kept.get, BY_STRANGERS)) else 0
        for block in (each.name for each in sorted(BLOCKS, key=lambda block: block.rank)):
            over = sum(costs.values()) - 1 + explained - self.budgets.total  # no line break at the end
            if over > 0 and block in costs:
                kept[block] = self._within(block, kept[block], costs[block] - 1 - over, marks)
                costs[block] = estimate_tokens(self._show(block, kept[block], marks)) + 1
                if not kept[block]:
                    del costs[block]
        return kept

    def _show(self, block: str, items: list[_Item], marks: Marks) -> str:
        section: Section = getattr(self, block)
        ordered = sorted(items, key=lambda item: item.order)
        if block not in BY_STRANGERS:
            return section.render((item.text, item.place) for item in ordered)
        return marks.enclose(section.render((marks.join(item.text), item.place) for item in ordered))

    def _join(self, kept: Mapping[str, list[_Item]], marks: Marks) -> str:
        explanation = marks.explanation if any(map(kept.get, BY_STRANGERS)) else ""
        texts = (self._show(block, items, marks) for block, items in kept.items())
        return "\n".join(text for text in (explanation, *texts) if text)


def _together(row: Mapping[str, Any], columns: Sequence[str]) -> Any:
    """Return the value of a column, or the lists of several as one; None if nothing was measured."""
    if len(columns) == 1:
        return row.get(columns[0])
    return [item for column in columns for item in row.get(column) or ()]


def _at_least(row: Mapping[str, Any] | None, name: str, least: float) -> bool:
    return row is not None and row[name] is not None and row[name] >= least


def _by_worth(objects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return objects in the order in which they are kept: by turns the surest and the smallest of the rest."""
    boxed = [o for o in objects if is_box(o["box"])]
    surest = sorted(boxed, key=lambda o: (-o["score"], o["label"] or "", *o["box"]))
    smallest = sorted(surest, key=lambda o: area(o["box"]))
    kept: dict[int, Mapping[str, Any]] = {}
    for pair in zip(surest, smallest, strict=True):
        for each in pair:
            kept.setdefault(id(each), each)
    return list(kept.values())


def _without_doubles(objects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return objects in their order, less those that a surer one of the same label covers."""

    def is_double(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        same = (one["label"] or "").casefold() == (other["label"] or "").casefold()
        return same and overlap(one["box"], other["box"]) >= SAME_THING

    kept: list[Mapping[str, Any]] = []
    for each in sorted(objects, key=lambda o: (-o["score"], *o["box"])):
        if not any(is_double(one, each) for one in kept):
            kept.append(each)
    return [each for each in objects if any(each is one for one in kept)]


def _read_alt_text(_hints: Hints, text: str, _width: int, _height: int) -> list[_Item]:
    return [_Item(text)]


def _read_objects(hints: Hints, objects: Sequence[Mapping[str, Any]], width_px: int, height_px: int) -> list[_Item]:
    items = []
    worth = _by_worth([o for o in objects if _at_least(o, "score", hints.min_object_score)])
    for each in worth if len(hints.object_columns) == 1 else _without_doubles(worth):
        place = write_place(each["box"], hints.place or "fraction", width_px, height_px)
        if place is not None and each["label"]:
            items.append(_Item(each["label"], place, -area(each["box"])))
    return items[: hints.max_objects]


def _read_lines(hints: Hints, lines: Sequence[Mapping[str, Any]], width_px: int, height_px: int) -> list[_Item]:
    legible = [line for line in lines if _at_least(line, "score", hints.min_line_score) and line["text"]]
    places = [write_place(line["box"], hints.place or "fraction", width_px, height_px) or "" for line in legible]
    return [_Item(line["text"], place) for line, place in zip(legible, places, strict=True)][: hints.max_lines]


def _read_attributes(hints: Hints, attributes: Sequence[Mapping[str, Any]], _width: int, _height: int) -> list[_Item]:
    present = [a for a in attributes if _at_least(a, "probability", hints.min_attribute_probability) and a["present"]]
    return [_Item(f"{a['part']}: {a['name']}" if a["part"] else a["name"]) for a in present]


def _read_tags(hints: Hints, tags: Sequence[Any], _width: int, _height: int) -> list[_Item]:
    """Return the tags, each once, as they come: `Tags` gives names with scores, a writer of texts names alone."""
    names = (tag["label"] if isinstance(tag, Mapping) else tag for tag in tags if tag)
    distinct: dict[str, str] = {}
    for name in names:
        if name:
            distinct.setdefault(name.casefold(), name)
    return [_Item(name) for name in distinct.values()][: hints.max_tags]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of hints: the column that it reads, and how a value of it becomes items, most important first.

    How it is written and its budget are the fields of its name in `Hints` and `Budgets`. Over the total budget the
    block with the lowest `rank` gives way first: tags say least, names of the alt text cannot be seen at all.
    """

    name: str
    column: str
    rank: int
    read: Callable[[Hints, Any, int, int], list[_Item]]


BLOCKS: Final = (
    Block("alt_text", "alt_text", 5, _read_alt_text),
    Block("objects", "objects", 2, _read_objects),
    Block("ocr", "ocr_lines", 3, _read_lines),
    Block("attributes", "human_attributes", 4, _read_attributes),
    Block("tags", "tags", 1, _read_tags),
)
"""The blocks in the order of the prompt."""
