from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curate.models.cache import cache_folder, cached


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_user_chooses_the_place(root, monkeypatch, tmp_path):
    assert cache_folder() == root
    monkeypatch.delenv("CURATE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "curate"


def test_a_folder_is_written_once(root):
    calls = []

    def write(folder: Path) -> None:
        calls.append(folder)
        (folder / "model").write_text("weights")

    assert cached("a/b-1", write) == cached("a/b-1", write) == root / "a" / "b-1"
    assert len(calls) == 1
    assert [path.name for path in (root / "a").iterdir()] == ["b-1"]


def test_a_failed_write_leaves_nothing(root):
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cached("c-1", fail)
    assert list(root.iterdir()) == []


def test_racing_workers_agree(root):
    def write(folder: Path) -> None:
        (folder / "model").write_text("weights")

    with ThreadPoolExecutor(8) as pool:
        places = set(pool.map(lambda _: cached("d-1", write), range(8)))
    assert places == {root / "d-1"}
    assert [path.name for path in root.iterdir()] == ["d-1"]
