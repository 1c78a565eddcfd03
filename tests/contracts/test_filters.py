import sys
from pathlib import Path

import pytest

from tests.contracts.filter_laws import LAWS
from tests.contracts.walk import stages

GOOD = '''
"""Drop animations."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Still:
    """Keep still pictures.

    Source: this test.

    >>> Still().keep(pa.table({"image_frames": [1, 2]})).to_pylist()
    [True, False]
    """

    needs: ClassVar[tuple[str, ...]] = ("image_frames",)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.equal(table["image_frames"], 1)
'''
BROKEN = {
    "no source": ("Source: this test.", ""),
    "wrong doctest": ("[True, False]", "[True, True]"),
    "null is dropped": (
        'pc.equal(table["image_frames"], 1)',
        'pc.fill_null(pc.equal(table["image_frames"], 1), False)',
    ),
    "rows are not alone": ('table["image_frames"], 1)', 'table["image_frames"], pc.max(table["image_frames"]))'),
    "not frozen": ("frozen=True", "frozen=False"),
    "unknown column": ('("image_frames",)', '("image_fames",)'),
    "reads the clock": ("import pyarrow as pa\n", "import time\n\nimport pyarrow as pa\n"),
    "no default": ("    needs:", "    frames: int\n    needs:"),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("kind", stages("filters", "keep"), ids=lambda kind: kind.__name__)
def test_every_filter(kind, law):
    law(kind)


def obey(kind: type) -> None:
    for law in LAWS:
        law(kind)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package of filters beside the project's; returns a function that writes its only module and finds its class."""
    folder = tmp_path / "more_filters"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> type:
        (folder / "still.py").write_text(source)
        (kind,) = stages("more_filters", "keep")
        return kind

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "more_filters"]:
        del sys.modules[name]


def test_a_new_filter_file_is_found_and_held_to_every_law(package):
    kind = package(GOOD)
    assert kind.__name__ == "Still"
    obey(kind)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_filter_breaks_a_law(package, fault):
    kind = package(GOOD.replace(*BROKEN[fault]))
    with pytest.raises((AssertionError, TypeError)):
        obey(kind)
