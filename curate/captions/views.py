"""What a captioner is shown of a picture: the whole, and its tiles where its tier is tiled."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from curate.captions.hints import Hints
from curate.captions.pixel_budget import PATCH_PX, PixelBudget, Tier, fit_budget
from curate.captions.tiles import Tile, TilePlan, crop, plan_tiles, within
from curate.stages import Pixels

__all__ = ["Shown", "View", "show"]


@dataclass(frozen=True, slots=True)
class View:
    """One picture to send: a tile, or the whole where `tile` is None; `hints` is the block about it alone."""

    tile: Tile | None
    picture: Pixels = field(repr=False)
    hints: str

    @property
    def name(self) -> str:
        """Nothing for the whole picture, else "-tile-GRID-NUMBER"."""
        return f"-tile-{self.tile.grid}-{self.tile.number}" if self.tile else ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is sent of one sample: its row with the size filled in, its tier, and the plan of its tiles, if any."""

    row: Mapping[str, Any]
    tier: Tier
    plan: TilePlan | None = None

    def views(self, image: Pixels, hints: Hints, tile_px: int) -> Iterator[View]:
        """Yield the whole picture, then its tiles, made one by one; with tiles, no view is over `tile_px`."""
        tiles = self.plan.tiles if self.plan else ()
        yield _view(None, image, self.row, hints, tile_px if tiles else self.tier.longest_side_px)
        for tile in tiles:
            side = math.ceil(self._scale * max(self._cell(tile.rows, tile.columns)) / PATCH_PX) * PATCH_PX
            yield _view(tile, crop(image, tile), within(self.row, tile), hints, min(tile_px, side))

    def longest_side_px(self, tile_px: int) -> int:
        """Return the longest side at which the picture is shown: in one piece, or by the tiles of its first grid."""
        scale = self._scale
        if self.plan and self.plan.tiles:
            scale = min(scale, tile_px / max(self._cell(self.plan.first.rows, self.plan.first.columns)))
        return round(scale * max(self._cell(1, 1)))

    @property
    def _scale(self) -> float:
        return min(1.0, self.tier.longest_side_px / max(self._cell(1, 1)))

    def _cell(self, rows: int, columns: int) -> tuple[float, float]:
        return self.row["image_width_px"] / columns, self.row["image_height_px"] / rows


def show(row: Mapping[str, Any], image: Pixels, budget: PixelBudget) -> Shown:
    """Choose the tier of a sample; a size that is not known in its row is that of the decoded picture."""
    sizes = {"image_height_px": image.shape[0], "image_width_px": image.shape[1]}
    row = {**row, **{name: row.get(name) or size for name, size in sizes.items()}}
    tier = budget.choose(row)
    if not tier.tiled or budget.tiles is None:
        return Shown(row, tier)
    longest = max(row["image_width_px"], row["image_height_px"])
    scale = min(1.0, tier.longest_side_px / longest)
    width, height = (max(1, round(row[f"image_{side}_px"] * scale)) for side in ("width", "height"))
    tiling = budget.tiles
    return Shown(row, tier, plan_tiles(width, height, tiling.tile_px, tiling.max_tiles, second=tiling.second_grid))


def _view(tile: Tile | None, image: Pixels, row: Mapping[str, Any], hints: Hints, longest_side_px: int) -> View:
    picture = fit_budget(image, longest_side_px)
    return View(tile, picture, hints.render(row, picture.shape[1], picture.shape[0]))
