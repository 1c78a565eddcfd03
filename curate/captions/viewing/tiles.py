"""Cut an image into tiles: which grid, a second grid that cuts elsewhere, and what is known of each tile."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from curate.captions.boxes import Box, area, centre, is_box, is_ordered, shared_area
from curate.captions.prompting.hints import BLOCKS
from curate.captions.prompting.places import place_words
from curate.errors import PlanError
from curate.stages import Pixels

__all__ = ["Grid", "Tile", "TilePlan", "crop", "plan_tiles", "within"]

LEAST_PX = 28  # a tile has at least one visual token of the Qwen-VL family a side
NEARLY = 0.95  # a grid of fewer tiles wins if it keeps so much of the resolution that the best one gives
PLACED = ("objects", "ocr_lines")  # the columns whose items have boxes
INSIDE = 0.5  # a box belongs to the tiles that hold at least half of its area: of a thing cut in two, both


@dataclass(frozen=True, slots=True)
class Tile:
    """One cell of a grid: `grid` 1 or 2, `number` from 1, row by row."""

    grid: int
    number: int
    rows: int
    columns: int

    @property
    def row(self) -> int:
        """Row, from 1."""
        return (self.number - 1) // self.columns + 1

    @property
    def column(self) -> int:
        """Column, from 1."""
        return (self.number - 1) % self.columns + 1

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in fractions of the image."""
        row, column = self.row, self.column
        return ((column - 1) / self.columns, (row - 1) / self.rows, column / self.columns, row / self.rows)

    @property
    def place(self) -> str:
        """Where it lies, in words of a nine-way grid."""
        return place_words(self.box)

    def tag(self, template: str) -> str:
        """Fill {number}, {tiles}, {row}, {rows}, {column}, {columns} and {place} into a template.

        >>> Tile(1, 3, 2, 3).tag("tile {number} of {tiles}, row {row} of {rows}, {place}")
        'tile 3 of 6, row 1 of 2, top right'
        """
        values = {"number": self.number, "tiles": self.rows * self.columns, "place": self.place}
        values |= {name: getattr(self, name) for name in ("row", "rows", "column", "columns")}
        for name, value in values.items():
            template = template.replace(f"{{{name}}}", str(value))
        return template

    def overlaps(self, other: "Tile") -> bool:
        """Tell whether the two share any area."""
        return shared_area(self.box, other.box) > 0


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows and columns of equal cells; its cut lines lie at whole multiples of 1/rows and 1/columns."""

    rows: int
    columns: int

    def tiles(self, number: int = 1) -> tuple[Tile, ...]:
        """Return the cells, row by row; `number` is that of the grid."""
        return tuple(Tile(number, i + 1, self.rows, self.columns) for i in range(self.rows * self.columns))

    def scale(self, width_px: int, height_px: int, tile_px: int) -> float:
        """Return by how much an image shrinks if each cell is scaled down to fit `tile_px`; 1.0: not at all."""
        return min(1.0, tile_px / max(width_px / self.columns, height_px / self.rows))

    def shares_a_cut_with(self, other: "Grid") -> bool:
        """Tell whether an inner cut line of one is a cut line of the other: i/m = j/n needs a common divisor."""
        return math.gcd(self.rows, other.rows) > 1 or math.gcd(self.columns, other.columns) > 1


@dataclass(frozen=True, slots=True)
class TilePlan:
    """A grid, maybe a second one, and the scale at which the first shows the image; beside them a global view.

    A grid of one cell means that the global view is enough: there are no `tiles`.
    """

    first: Grid
    second: Grid | None
    scale: float

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The cells of both grids, the first one's first; none if the global view is enough."""
        if self.first == Grid(1, 1):
            return ()
        return self.first.tiles(1) + (self.second.tiles(2) if self.second else ())


def plan_tiles(width_px: int, height_px: int, tile_px: int, max_tiles: int, *, second: bool = False) -> TilePlan:
    """Choose the grid of at most `max_tiles` cells that keeps the resolution of an image; cells fit `tile_px`.

    The fewest cells that keep 95 % of what the best grid keeps; of those the one that keeps most, then the one with the
    squarest cells. So an image that fits one tile has one cell, whole multiples of `tile_px` are cut exactly, and
    a strip is cut along its length. No cell is under 28 px a side, and nothing is enlarged.
    With `second`, another grid of at most `max_tiles` cells is chosen by the same rule among those whose numbers of
    rows and columns have no divisor in common with the first's: no inner cut line is shared, and of m and n columns
    nothing narrower than 1/(m n) of the image is cut by both grids' column lines; so with rows. What lies on the
    crossing of a row line of one grid and a column line of the other is cut by both; only the global view has it
    whole. There is no second grid if none shows more than the global view.
    Source: effective resolution as in LEOPARD (arXiv 2410.01744), the grid's shape free as in InternLM-XComposer2-4KHD
    (2404.06512), the second grid of ratios that do not divide the first's as Mini-Monkey's MSAC (2408.02034). The 95 %
    are ours. Left out: padding (cells are cut from the image, not from a square canvas), cells chosen by content.
    """
    if min(width_px, height_px, max_tiles) < 1 or tile_px < LEAST_PX:
        raise PlanError(
            f"plan_tiles: {width_px} x {height_px} px, tile_px={tile_px}, max_tiles={max_tiles}: give sizes and tiles "
            f"of at least 1, tile_px of at least {LEAST_PX}"
        )
    across, down = (min(max_tiles, max(1, side // LEAST_PX)) for side in (width_px, height_px))
    grids = [Grid(r, c) for r, c in product(range(1, down + 1), range(1, across + 1)) if r * c <= max_tiles]
    first = _best(grids, width_px, height_px, tile_px)
    other = None
    if second and first != Grid(1, 1):
        free = [grid for grid in grids if not grid.shares_a_cut_with(first)]
        other = _best(free, width_px, height_px, tile_px)
        if other.scale(width_px, height_px, tile_px) * NEARLY <= Grid(1, 1).scale(width_px, height_px, tile_px):
            other = None
    return TilePlan(first, other, first.scale(width_px, height_px, tile_px))


def crop(image: Pixels, tile: Tile) -> Pixels:
    """Return the tile's pixels: the tiles of a grid cover an image without gap or overlap, at any size of it.

    An image with fewer px than rows or columns gives cells of at least one px, which then overlap.
    """
    height, width = image.shape[:2]
    edges = []
    for side, place, parts in ((width, tile.column, tile.columns), (height, tile.row, tile.rows)):
        start = min(side - 1, round((place - 1) * side / parts))
        edges.append(slice(start, max(start + 1, round(place * side / parts))))
    return image[edges[1], edges[0]]


def within(row: Mapping[str, Any], tile: Tile) -> dict[str, Any]:
    """Return the row as it is known of a tile alone: objects and text lines at least half inside, in its coordinates.

    What other hints say is said of the whole image (alt text, tags) and null here: a tile does not show all of it.
    """
    whole = {block.column for block in BLOCKS} - set(PLACED)
    columns = {name: None if name in whole else value for name, value in row.items()}
    for name in PLACED:
        if columns.get(name):
            columns[name] = [
                item | {"box": _moved(item["box"], tile)} for item in row[name] if _inside(item["box"], tile)
            ]
    return columns


def _best(grids: Sequence[Grid], width_px: int, height_px: int, tile_px: int) -> Grid:
    """Return the grid of the fewest cells that keeps nearly the most resolution; `grids` is never empty."""
    scales = {grid: grid.scale(width_px, height_px, tile_px) for grid in grids}
    enough = [grid for grid in grids if scales[grid] >= NEARLY * max(scales.values())]

    def oblong(grid: Grid) -> float:
        return abs(math.log((width_px / grid.columns) / (height_px / grid.rows)))

    return min(enough, key=lambda grid: (grid.rows * grid.columns, -scales[grid], oblong(grid), grid.rows))


def _inside(box: Box | None, tile: Tile) -> bool:
    if box is None or not is_box(box) or not is_ordered(box):
        return False
    whole = area(box)
    if whole <= 0:  # a point or a line lies where its middle lies
        x, y = centre(box)
        return tile.box[0] <= x <= tile.box[2] and tile.box[1] <= y <= tile.box[3]
    return shared_area(box, tile.box) >= INSIDE * whole


def _moved(box: Box, tile: Tile) -> list[float]:
    x0, y0, x1, y1 = tile.box
    corners = (
        (box[0] - x0) / (x1 - x0),
        (box[1] - y0) / (y1 - y0),
        (box[2] - x0) / (x1 - x0),
        (box[3] - y0) / (y1 - y0),
    )
    return [min(1.0, max(0.0, value)) for value in corners]
