"""Laws of the gallery's pages: paging loses nothing, thresholds count what a run keeps, pictures say what is wrong."""

import shutil

import numpy as np
import pytest

from curate.errors import PlanError
from curate.inspect.gallery import frame as frames
from curate.inspect.gallery.frame import open_frame
from curate.inspect.gallery.pictures import make_thumbnails
from curate.inspect.gallery.search import Search, count, page, read_search
from curate.inspect.gallery.similar import Neighbours
from curate.inspect.gallery.site import open_site
from curate.inspect.gallery.whatif import count_at, find_rules
from curate.inspect.query import query
from curate.inspect.view import run_view
from tests.support.dataset_folder import pipeline, run


@pytest.fixture(scope="module")
def frame(folder):
    opened = open_frame(run_view(folder.store))
    yield opened
    opened.close()


SEARCHES = [
    Search(),
    Search(sort="clip_score"),
    Search(sort="clip_score", down=True),
    Search(sort="caption"),
    Search(sort="dropped_by", down=True),
    Search(sort="uid", fate="kept"),
    Search(where="len(objects) > 0", sort="image_blur"),
    Search(text="TEXT 4"),
]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.query() or "all")
@pytest.mark.parametrize("most", [1, 5])
def test_paging_forth_and_back_shows_every_sample_once(frame, search, most):
    shown = page(frame, search, most=most)
    forth = list(shown.numbers)
    while shown.after is not None:
        shown = page(frame, search, "after", shown.after, most)
        forth += shown.numbers
    back = list(shown.numbers)
    while shown.before is not None:
        shown = page(frame, search, "before", shown.before, most)
        back = [*shown.numbers, *back]
    assert len(forth) == len(set(forth)) == count(frame, search) > 0
    assert back == forth
    if search.sort:
        values = [row[search.sort] for row in frame.rows(forth, [search.sort])]
        there = [value for value in values if value is not None]
        assert there == sorted(there, reverse=search.down)
        assert values[len(there) :] == [None] * (len(values) - len(there))


def test_the_frame_has_the_order_of_shard_and_row_and_who_stopped_where(frame, folder):
    expected = query(folder.store, 'SELECT uid, dropped_by, error FROM samples ORDER BY shard, "row"').to_pylist()
    rows = frame.rows(range(frame.size), ["uid", "dropped_by", "error", "stopped"])
    assert [row["uid"] for row in rows] == [row["uid"] for row in expected]
    stages = frame.view.run.stages
    for row in rows:
        kept = row["dropped_by"] is None and row["error"] is None
        assert (row["stopped"] is None) == kept
        if row["dropped_by"]:
            assert stages[row["stopped"]].repr in row["dropped_by"]


@pytest.mark.parametrize(
    "where",
    [
        "true) UNION SELECT 1 FROM (SELECT 1",
        "1=1; DROP TABLE frame",
        "uid IN (SELECT content FROM read_text('/etc/passwd'))",
        "uid IN (SELECT content FROM read_text('/etc/*'))",
        "EXISTS (FROM glob('/*'))",
        "no_such_column = 1",
        "uid, key",
        "clip_score > ?",
        ")",
    ],
)
def test_a_condition_is_one_expression_over_the_samples(frame, where):
    with pytest.raises(PlanError):
        count(frame, Search(where=where))
    assert count(frame, Search()) == frame.size


def test_a_question_without_end_is_stopped(frame, monkeypatch):
    monkeypatch.setattr(frames, "SECONDS", 0.2)
    with pytest.raises(PlanError, match="was stopped"):
        frame.ask("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")


def test_a_search_says_what_it_does_not_know(frame):
    with pytest.raises(PlanError, match="is no column to sort by"):
        read_search({"sort": "uid; DROP TABLE frame"}, frame)
    with pytest.raises(PlanError, match="give one of kept, dropped, failed"):
        read_search({"fate": "x' OR 1=1"}, frame)


def test_a_moved_bound_keeps_what_a_run_with_that_bound_keeps(tmp_path, folder):
    """Row i has a score of i/10; what was dropped has no caption, and no filter behind it: nothing is unknown."""
    frame = open_frame(run_view(folder.store))
    rules = find_rules(frame)
    (knob,) = rules.knobs
    assert (knob.way, knob.bound, knob.label) == (">=", 0.3, "clip_score")
    assert count_at(frame, rules, {}).kept == 6
    for minimum in (-1.0, 0.2, 0.3, 0.4, 0.45, 1.0):
        dataset = str(tmp_path / str(minimum))
        run(pipeline(minimum, captions=False), folder.source, dataset)
        found = count_at(frame, rules, {0: minimum})
        kept = "SELECT uid FROM samples WHERE dropped_by IS NULL AND error IS NULL"
        expected = set(query(type(folder.store)(dataset), kept)["uid"].to_pylist())
        now = set(query(folder.store, kept)["uid"].to_pylist())
        assert found.kept + found.unknown == len(expected)
        assert (found.lost, found.gained + found.unknown) == (len(now - expected), len(expected - now))
        for name in ("gained", "lost", "unknown"):
            assert count(frame, Search(where=getattr(found, f"{name}_where"))) == getattr(found, name)
    frame.close()


def test_similar_samples_are_those_of_the_highest_cosine(frame, folder):
    found = Neighbours(frame, "clip_embedding").of_sample(folder.uid(4), 3)
    assert all(np.isclose(cosine, 1, atol=1e-3) for _, cosine in found)
    with pytest.raises(PlanError, match="has no clip_embedding"):
        Neighbours(frame, "clip_embedding").of_sample(folder.uid(0), 3)


def test_a_text_search_that_cannot_be_is_one_sentence(frame):
    with pytest.raises(PlanError, match=r"a text cannot be compared with images here: .*recipe"):
        Neighbours(frame, "clip_embedding").of_text("a cat", 3)


def test_a_source_that_is_gone_leaves_the_texts_and_the_reason(own_folder):
    site = open_site(run_view(own_folder.store))
    kind, jpeg = site.thumbnails(own_folder.uid(4))
    assert (kind, jpeg[:2]) == ("image/jpeg", b"\xff\xd8")
    shutil.rmtree(own_folder.source)
    kind, svg = make_thumbnails(site.frame)(own_folder.uid(4))
    assert kind == "image/svg+xml"
    assert b"no image:" in svg
    text = site.get(f"/sample/{own_folder.uid(4)}", {}).content.decode()
    assert "no image:" in text
    assert "A dense caption of image 4." in text
    site.frame.close()


def test_cells_that_went_away_are_a_sentence(own_folder):
    site = open_site(run_view(own_folder.store))
    shutil.rmtree(own_folder.store.local_path("columns"))
    assert site.get("/", {}).status == 200
    answer = site.get(f"/sample/{own_folder.uid(4)}", {})
    assert (answer.status, b"cannot be read" in answer.content) == (503, True)
    site.frame.close()
