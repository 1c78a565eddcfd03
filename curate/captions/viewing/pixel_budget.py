"""How many pixels a captioner is given: a tier for each image, from what experts saw in it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from curate.captions.boxes import is_box, is_ordered, overlap
from curate.captions.prompting.prompts import Prompt
from curate.errors import PlanError
from curate.models.chat_models import UNKNOWN, chat_facts
from curate.models.image_sizes import ImageSizes, fitted
from curate.pixels import resize
from curate.stages import Pixels
from schemas.prefix import repr_without_defaults

__all__ = ["MERGE_V1", "REASONS", "PixelBudget", "Tier", "Tiling", "fit_budget", "fit_size", "same_detail"]

PATCH_PX = 28  # no side is asked for under what one visual token of the common models covers
MOST_PIXELS: Final = 3840 * 1600  # what tiles may show in all: the 4K of InternLM-XComposer2-4KHD (arXiv 2404.06512)
SAME_OBJECT: Final = 0.6  # IoU of boxes of two detectors, from which on they are one object; as in `Objects`
REASONS: Final = ("crowd", "fixed", "page", "plain", "small_objects", "text", "unmeasured")
"""Every word that `caption_pixels_reason` may hold, sorted."""

# Our wording. The tiles' captions are texts by a model that may quote the image: data, like the hints.
MERGE_V1: Final = Prompt(
    id="merge-v1",
    text=(
        "Describe this picture. Parts of it were looked at from close by, and each was described on its own. Write one "
        "description of the whole picture: take over objects, details and text from the close-ups where the picture "
        "allows it, say where they are in the whole picture, and name a thing that is in several close-ups once."
    ),
    lead="Notes:",
)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image is shown in tiles, and how the captions of its tiles become one.

    The tiles of a grid are at most `max_tiles`, none with a side over `tile_px`, and show at most `max_pixels` in all:
    the area of 3840 x 1600 px. Each tile is a request of its own, with `tag` (see `Tile.tag`) after the prompt's text
    and hints about the tile alone. `merge` is asked of the model with the global view, the hints and the captions of
    the tiles, each quoted and cut to `max_characters`; None joins them without a model, see
    `curate.captions.viewing.tile_merge`. `agreed` keeps, of what a tile says, only what another view or its hints say
    too; it is for the join without a model.
    """

    tile_px: int = 1008
    max_tiles: int = 9
    max_pixels: int = MOST_PIXELS
    second_grid: bool = False
    tag: str = "This is part {number} of {tiles} of a larger picture (row {row} of {rows}, {place})."
    merge: Prompt | None = MERGE_V1
    agreed: bool = False
    max_characters: int = 1200

    def __post_init__(self) -> None:
        if self.tile_px < PATCH_PX or self.max_tiles < 2 or self.max_characters < 1:
            raise PlanError(
                f"Tiling: tile_px={self.tile_px} must be at least {PATCH_PX}, max_tiles={self.max_tiles} at least 2, "
                f"max_characters={self.max_characters} at least 1"
            )
        if self.max_pixels < self.tile_px**2:
            raise PlanError(f"Tiling: max_pixels={self.max_pixels} is less than one tile of {self.tile_px} px a side")


@dataclass(frozen=True, slots=True)
class Tier:
    """What was chosen: the longest side in px that is shown, in tiles or in one piece, and why (one of REASONS)."""

    longest_side_px: int
    reason: str
    tiled: bool = False


@dataclass(frozen=True, slots=True)
class PixelBudget:
    """Chooses for each image the smallest tier that shows its text and its small objects well enough.

    The tiers are `sides_px`, the longest side in one piece; then, unless `tiles` is None, multiples of `tiles.tile_px`
    in tiles. Text is shown well enough if the median line, after scaling, is `min_line_px` high; on a page (at least
    `page_lines` lines, or text on `page_text_frac` of the area) if the 10th percentile is. A line is as high as the
    shorter side of its box. Objects are shown well enough if the smallest of score `min_object_score` has a side (the
    root of its area) of `min_object_px`; under `min_object_frac` of the image's side it is background and not asked.
    With `max_objects`, a view holds about so many of score `min_object_score`, and a crowd is shown in more tiles.
    Nothing is enlarged: no tier above the one that holds the original is chosen. A row without its size, or with
    neither objects nor lines measured, gets `unmeasured_px`; if only one is null, the other decides. `signals` names
    what is asked, `object_columns` the detectors: boxes of several that nearly cover each other are one object.
    `fixed_px` replaces the rule: the tier that holds this side, for every image.
    Source: sizes of InternLM-XComposer2-4KHD (336 px to 3840 x 1600, arXiv 2404.06512), text as a reason for more
    pixels from LEOPARD's allocator (2410.01744), score 0.4 Monkey's for boxes (2311.06607). Measured on the nano world
    (benchmarks/pixel_thresholds.py): objects from 28 px on are in captions as often as large ones; PP-OCR reads lines
    from 10 px on, and 14 px is a patch of the common vision towers. What makes a page, and what is background, is ours.
    Left out: how relevant an object is, and text that OCR missed.

    >>> sign = {"text": "SALE", "box": [0.1, 0.1, 0.3, 0.12], "score": 0.9}
    >>> row = {"image_width_px": 1200, "image_height_px": 900, "objects": [], "ocr_lines": [sign]}
    >>> PixelBudget().choose(row)
    Tier(longest_side_px=1008, reason='text', tiled=False)
    >>> PixelBudget().choose(row | {"ocr_lines": []})
    Tier(longest_side_px=336, reason='plain', tiled=False)
    """

    sides_px: tuple[int, ...] = (336, 448, 672, 1008)
    tiles: Tiling | None = field(default_factory=Tiling)
    min_line_px: float = 14.0
    min_object_px: float = 28.0
    min_object_score: float = 0.4
    min_object_frac: float = 0.02
    max_objects: int | None = None
    page_lines: int = 12
    page_text_frac: float = 0.15
    unmeasured_px: int = 448
    signals: tuple[Literal["objects", "text"], ...] = ("objects", "text")
    fixed_px: int | None = None
    object_columns: tuple[str, ...] = ("objects",)

    def __repr__(self) -> str:
        return repr_without_defaults(self, "object_columns")

    def __post_init__(self) -> None:
        sides = self.sides_px
        if not sides or list(sides) != sorted(set(sides)) or sides[0] < PATCH_PX:
            raise PlanError(f"PixelBudget: sides_px={sides}: give growing sides of at least {PATCH_PX} px")
        for name in (
            "min_line_px",
            "min_object_px",
            "min_object_frac",
            "max_objects",
            "unmeasured_px",
            "page_lines",
            "fixed_px",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise PlanError(f"PixelBudget: {name}={value} must be greater than 0")
        if unknown := set(self.signals) - {"objects", "text"}:
            raise PlanError(f"PixelBudget: unknown signals {sorted(unknown)}; there are objects and text")

    def for_model(self, model: str) -> "PixelBudget":
        """Return the budget with tiers that a model shows as they are, from its name or folder.

        >>> PixelBudget().for_model("Qwen/Qwen3-VL-8B-Instruct").sides_px
        (352, 448, 672, 1024)
        """
        return self.for_images(chat_facts(model).images)

    def for_images(self, sizes: ImageSizes) -> "PixelBudget":
        """Return the budget with tiers and tiles in whole units of a model, rounded up.

        None is over what the model shows in one piece: more would be scaled down again.
        """

        def side(px: int) -> int:
            return min(sizes.most_px, math.ceil(px / sizes.unit_px) * sizes.unit_px)

        tiles = self.tiles
        if tiles is not None:
            tile_px = side(tiles.tile_px)
            tiles = replace(tiles, tile_px=tile_px, max_pixels=max(tiles.max_pixels, tile_px**2))
        return replace(self, sides_px=tuple(sorted({side(px) for px in self.sides_px})), tiles=tiles)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns that `choose` reads."""
        sizes = ("image_width_px", "image_height_px")
        columns = {"objects": self.object_columns, "text": ("ocr_lines", "ocr_text_area_frac")}
        signals = self.signals if self.fixed_px is None else ()
        return sizes + tuple(name for signal, names in columns.items() if signal in signals for name in names)

    @property
    def decode_px(self) -> int:
        """Shortest side that a decoded image must keep; of r x c tiles, min(r, c) is at most the root of r c."""
        tiled = self.tiles.tile_px * math.isqrt(self.tiles.max_tiles) if self.tiles else 0
        return max(self.sides_px[-1], tiled)

    def choose(self, row: Mapping[str, Any]) -> Tier:
        """Return the tier of a row; whatever is null or missing in it counts as not measured."""
        width, height = row.get("image_width_px"), row.get("image_height_px")
        if not width or not height:
            return self._tier(self.fixed_px or self.unmeasured_px, "fixed" if self.fixed_px else "unmeasured")
        longest = max(width, height)
        if self.fixed_px is not None:
            return self._tier(min(self.fixed_px, longest), "fixed")
        objects = self._objects(row) if "objects" in self.signals else None
        lines = row.get("ocr_lines") if "text" in self.signals else None
        if objects is None and lines is None:
            return self._tier(min(self.unmeasured_px, longest), "unmeasured")
        page = self._is_page(lines or [], row.get("ocr_text_area_frac"))
        needs = {
            "plain": float(self.sides_px[0]),
            "page" if page else "text": longest * self._text_scale(lines or [], row, page),
            "small_objects": longest * self._object_scale(objects or [], row),
            "crowd": self._crowd_px(objects or [], longest),
        }
        reason = max(needs, key=lambda name: needs[name])  # of equals the first
        return self._tier(min(needs[reason], longest), reason)

    def _objects(self, row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
        """Return the objects of all columns, each once; null where none is measured."""
        each = [found for name in self.object_columns if (found := row.get(name)) is not None]
        if len(each) < 2:
            return each[0] if each else None
        kept = list(each[0])
        for found in each[1:]:
            fresh = [one for one in found if is_box(one["box"])]
            kept += [one for one in fresh if not any(_is_same(one["box"], other["box"]) for other in kept)]
        return kept

    def _is_page(self, lines: Sequence[Any], text_frac: float | None) -> bool:
        return len(lines) >= self.page_lines or (bool(lines) and (text_frac or 0.0) >= self.page_text_frac)

    def _text_scale(self, lines: Sequence[Mapping[str, Any]], row: Mapping[str, Any], page: bool) -> float:
        """Return by how much the image must be scaled so that its lines are high enough; 0 without lines."""
        heights = [height for line in lines if (height := min(_sides(line["box"], row))) >= 1]
        return self.min_line_px / float(np.quantile(heights, 0.1 if page else 0.5)) if heights else 0.0

    def _object_scale(self, objects: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> float:
        boxes = [detection["box"] for detection in objects if (detection["score"] or 0.0) >= self.min_object_score]
        least = self.min_object_frac * math.sqrt(row["image_width_px"] * row["image_height_px"])
        sides = [side for box in boxes if (side := math.sqrt(math.prod(_sides(box, row)))) >= max(least, 1)]
        return self.min_object_px / min(sides) if sides else 0.0

    def _crowd_px(self, objects: Sequence[Mapping[str, Any]], longest: int) -> float:
        """Return the longest side at which tiles hold `max_objects` each, were they spread evenly; 0 if one view does.

        More px in one piece are no help against a crowd: where the original is not tiled, it asks for nothing.
        """
        count = sum((one["score"] or 0.0) >= self.min_object_score for one in objects)
        if self.tiles is None or longest <= self.sides_px[-1] or count <= (self.max_objects or count):
            return 0.0
        return max(self.tiles.tile_px * math.sqrt(count / (self.max_objects or count)), self.sides_px[-1] + 1.0)

    def _tier(self, needed_px: float, reason: str) -> Tier:
        """Return the smallest tier that holds so many px; the largest if none does."""
        for side in self.sides_px:
            if needed_px <= side:
                return Tier(side, reason)
        if self.tiles is None:
            return Tier(self.sides_px[-1], reason)
        tile_px = self.tiles.tile_px
        return Tier(tile_px * min(self.tiles.max_tiles, math.ceil(needed_px / tile_px)), reason, tiled=True)


def fit_budget(image: Pixels, longest_side_px: int, sizes: ImageSizes = UNKNOWN.images) -> Pixels:
    """Return the image at a size that a model's processor leaves as it is, its longest side at most `longest_side_px`.

    It is scaled down as far as needed, and up by less than one unit a side, unless the processor makes no image so
    small. `sizes` are those of the engine that will see it, `engine.facts.images`; by default whole 28 px.
    """
    return resize(image, *fit_size(image.shape[1], image.shape[0], longest_side_px, sizes))


def fit_size(width: int, height: int, longest_side_px: int, sizes: ImageSizes = UNKNOWN.images) -> tuple[int, int]:
    """Return the width and height that `fit_budget` gives an image, in px."""
    return fitted(sizes, width, height, longest_side_px)


def same_detail(tier_px: int | None, without_tier_px: int, most_px: int) -> int:
    """Return the longest side at which to look again at what was captioned at a tier, at most `most_px` in one piece.

    >>> [same_detail(tier, 448, 2016) for tier in (None, 336, 1008, 3024)]
    [448, 336, 1008, 2016]
    """
    return min(without_tier_px if tier_px is None else tier_px, most_px)


def _is_same(box: Sequence[float], other: Sequence[float] | None) -> bool:
    return other is not None and is_box(other) and overlap(box, other) >= SAME_OBJECT


def _sides(box: Sequence[float] | None, row: Mapping[str, Any]) -> tuple[float, float]:
    """Return width and height of a box in px of the original; (0, 0) for an invalid box."""
    if box is None or not is_box(box) or not is_ordered(box):
        return 0.0, 0.0
    return (box[2] - box[0]) * row["image_width_px"], (box[3] - box[1]) * row["image_height_px"]
