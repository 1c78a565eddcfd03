"""What a captioner is shown of an image: the whole, and its tiles where its tier is tiled."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from curate.captions.prompting.hints import Hints
from curate.captions.viewing.pixel_budget import PixelBudget, Tier, fit_size
from curate.captions.viewing.tiles import Tile, TilePlan, crop, plan_tiles, within
from curate.models.chat_models import UNKNOWN
from curate.models.image_sizes import ImageSizes
from curate.pixels import resize
from curate.stages import Pixels

__all__ = ["Shown", "View", "show"]


@dataclass(frozen=True, slots=True)
class View:
    """One image to send: a tile, or the whole where `tile` is None; `hints` is the block about it alone.

    `size_px` is the width and height at which it is sent. A view is a window into the image that it was made of, and
    costs no memory of its own until `image` is called.
    """

    tile: Tile | None
    window: Pixels = field(repr=False)
    size_px: tuple[int, int]
    hints: str

    def image(self) -> Pixels:
        """Return its pixels at the size at which it is sent, made anew by every call."""
        return resize(self.window, *self.size_px)

    @property
    def name(self) -> str:
        """Nothing for the whole image, else "-tile-GRID-NUMBER"."""
        return f"-tile-{self.tile.grid}-{self.tile.number}" if self.tile else ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is sent of one sample: its row with the size filled in, its tier, its scale, and the plan of its tiles.

    `sizes` are those of the model that is shown it.
    """

    row: Mapping[str, Any]
    tier: Tier
    scale: float
    plan: TilePlan | None = None
    sizes: ImageSizes = UNKNOWN.images

    def views(self, image: Pixels, hints: Hints, tile_px: int) -> Iterator[View]:
        """Yield the whole image, then its tiles; with tiles, no view is over `tile_px`."""
        tiles = self.plan.tiles if self.plan else ()
        yield self._view(None, image, hints, tile_px if tiles else self.tier.longest_side_px)
        for tile in tiles:
            unit = self.sizes.unit_px
            side = math.ceil(self.scale * max(self._cell(tile.rows, tile.columns)) / unit) * unit
            yield self._view(tile, crop(image, tile), hints, min(tile_px, side))

    @property
    def longest_side_px(self) -> int:
        """Longest side at which the image is shown: in one piece, or by the tiles of its first grid."""
        return round(self.scale * (self.plan.scale if self.plan else 1.0) * max(self._cell(1, 1)))

    def _view(self, tile: Tile | None, image: Pixels, hints: Hints, longest_side_px: int) -> View:
        width, height = fit_size(image.shape[1], image.shape[0], longest_side_px, self.sizes)
        row = within(self.row, tile) if tile else self.row
        return View(tile, image, (width, height), hints.render(row, width, height))

    def _cell(self, rows: int, columns: int) -> tuple[float, float]:
        return self.row["image_width_px"] / columns, self.row["image_height_px"] / rows


def show(row: Mapping[str, Any], image: Pixels, budget: PixelBudget, sizes: ImageSizes = UNKNOWN.images) -> Shown:
    """Choose the tier of a sample; a size that is not known in its row is that of the decoded image."""
    decoded = {"image_width_px": image.shape[1], "image_height_px": image.shape[0]}
    row = {**row, **{name: row.get(name) or size for name, size in decoded.items()}}
    width, height = row["image_width_px"], row["image_height_px"]
    tier, tiling = budget.choose(row), budget.tiles
    scale = min(1.0, tier.longest_side_px / max(width, height))
    if not tier.tiled or tiling is None:
        return Shown(row, tier, scale, None, sizes)
    scale = min(scale, math.sqrt(tiling.max_pixels / (width * height)))
    wide, high = (max(1, round(side * scale)) for side in (width, height))
    plan = plan_tiles(wide, high, tiling.tile_px, tiling.max_tiles, second=tiling.second_grid)
    return Shown(row, tier, scale, plan, sizes)
