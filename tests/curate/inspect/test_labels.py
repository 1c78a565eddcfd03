"""Laws of labels: the last line counts, nothing is lost, intervals hold for samples drawn by chance."""

import json

import pytest

from curate.errors import PlanError, StoreError
from curate.inspect.calibrate import Gate
from curate.inspect.labels import Label, LabelFile, label_report, wilson

A, B = "a" * 32, "b" * 32


@pytest.fixture
def file(tmp_path):
    return LabelFile(tmp_path / "labels.jsonl")


def test_the_last_line_counts_and_null_takes_back(file):
    for label in (
        Label(A, "keep", 1, "me"),
        Label(B, "keep", 1, "me"),
        Label(A, "keep", 0, "you"),
        Label(B, "keep", None, "me"),
    ):
        file.add(label)
    assert {key: label.label for key, label in file.read().items()} == {(A, "keep"): 0}
    lines = [json.loads(line) for line in file.path.read_text().splitlines()]
    assert [line["label"] for line in lines] == [1, 1, 0, None]
    assert all(line["time"].endswith("+00:00") for line in lines)


def test_a_line_that_a_crash_cut_off_loses_itself_alone(file):
    file.add(Label(A, "keep", 1, "me"))
    for cut in ('{"ui', '{"uid": "bbb', ""):
        with file.path.open("a") as stream:
            stream.write(cut)
        file.add(Label(B, "keep", 0, "me"))
        assert [label.label for label in file.read().values()] == [1, 0]


@pytest.mark.parametrize(
    "line", ["not json", "[1]", '{"uid": "../x", "question": "q", "label": 1}', '{"a": 1}', "[" * 9999]
)
def test_a_file_of_anything_else_is_refused(file, line):
    file.path.write_text(line + "\n")
    with pytest.raises(PlanError, match=r"labels.jsonl line 1 is no label"):
        file.read()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(StoreError, match="cannot be written"):
        LabelFile(tmp_path / "no" / "labels.jsonl").add(Label(A, "keep", 1, "me"))


def test_filters_are_right_where_people_agree(file, folder):
    """Rows 2 were taken by the filter, rows 3 and up kept."""
    for row, shard, label in [(2, 0, 0), (2, 1, 1), (3, 0, 1), (4, 0, 1), (5, 0, 0)]:
        file.add(Label(folder.uid(row, shard), "keep", label, "me", "uid"))
    file.add(Label(folder.uid(4, 1), "keep", 0, "me", "clip_score"))
    found = label_report(folder.store, file, "keep", [Gate("keep", "clip_score", 0.45)])
    shares = {share.what: (share.right, share.labelled) for share in found.shares}
    assert shares == {"kept": (2, 3), "taken by MinClipScore(minimum=0.3)": (1, 2)}
    assert (found.labels, found.left_out) == (6, 1)
    judge = found.judges["clip_score >= 0.45"]
    assert (judge.items, judge.accuracy) == (6, pytest.approx(2 / 6, abs=1e-3))


def test_wilsons_interval_is_that_of_the_textbooks():
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, method 3


def test_without_labels_it_says_how_to_make_some(file, folder):
    with pytest.raises(PlanError, match="`curate view --labels` writes some"):
        label_report(folder.store, file, "keep")
    file.add(Label(folder.uid(4), "keep", 1, "me"))
    with pytest.raises(PlanError, match="no column nope"):
        label_report(folder.store, file, "keep", [Gate("keep", "nope", 1)])
