import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError
from curate.experts.imported_scores import ImportedScores
from curate.experts.score_files import ScoreFiles
from curate.pipeline import FailureLimits, Pipeline
from curate.run.local import measure
from curate.stages import stage_id
from filters.min_clip_score import MinClipScore

UIDS = [f"{i:032x}" for i in range(10)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))


def write(folder, start, stop, embeddings=np.savez, **columns):
    folder.mkdir(parents=True, exist_ok=True)
    rows = range(start, stop)
    table = {
        "uid": [UIDS[i] for i in rows],
        "key": [f"{i:09d}" for i in rows],
        "clip_l14_similarity_score": [i / 10 for i in rows],
        "face_bboxes": [[[0.0, 0.0, 1.0, 1.0]] * i for i in rows],
    } | columns
    pq.write_table(pa.table(table), folder / f"{start}.parquet")
    if embeddings:
        embeddings(folder / f"{start}.npz", l14_img=np.arange(start * 4, stop * 4, dtype=np.float16).reshape(-1, 4))


def samples(*uids):
    metadata = [None if uid is None else json.dumps({"uid": uid}) for uid in uids]
    return pa.table(
        {"uid": UIDS[: len(uids)], "key": [f"folder/{i:09d}" for i in range(len(uids))], "metadata": metadata}
    )


def run(stage, table):
    return measure(Pipeline([stage], FailureLimits(max_error_frac=None)), table)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_scores_and_embeddings_of_many_files_come_by_uid_in_the_order_of_the_samples(tmp_path, save):
    write(tmp_path / "scores", 0, 6, save)
    write(tmp_path / "scores" / "more", 6, 10, save)
    wanted = [9, 0, 5, 6]
    table = run(
        ImportedScores(ScoreFiles(str(tmp_path / "scores")), by="uid", embedding="l14_img"),
        samples(*(UIDS[i] for i in wanted)),
    )
    assert table["error"].to_pylist() == [None] * 4
    assert table["imported_clip_l14_score"].to_pylist() == pytest.approx([i / 10 for i in wanted])
    assert table["imported_face_count"].to_pylist() == wanted
    assert table["imported_embedding"].to_pylist() == [[4 * i + k for k in range(4)] for i in wanted]
    assert table["imported_nsfw_score"].null_count == 4


def test_scores_come_by_the_sample_s_key_without_its_folders(tmp_path):
    write(tmp_path / "scores", 0, 3, None)
    table = run(ImportedScores(ScoreFiles(str(tmp_path / "scores"))), samples(None, None))
    assert table["imported_clip_l14_score"].to_pylist() == pytest.approx([0.0, 0.1])


def test_a_sample_s_own_metadata_needs_no_files_and_names_count_in_any_case():
    own = [{"punsafe": 0.5, "pwatermark": 1, "AESTHETIC_SCORE": 5.5}, {"NSFW": "UNLIKELY"}, {"punsafe": "high"}]
    table = pa.table(
        {
            "uid": UIDS[:5],
            "key": list("abcde"),
            "metadata": [*(json.dumps(each) for each in own), "[1]", '{"punsafe": 1e999}'],
        }
    )
    found = run(ImportedScores(), table)
    assert found["imported_nsfw_score"].to_pylist() == [0.5, None, None, None, None]
    assert found["imported_watermark_score"].to_pylist()[0] == 1
    assert found["imported_aesthetic_score"].to_pylist()[0] == 5.5
    assert found["error"].to_pylist() == [None, *["imported_scores: scores_missing"] * 4]


def test_a_missing_row_is_an_error_or_null_as_asked(tmp_path):
    write(tmp_path / "scores", 0, 3, None)
    files = ScoreFiles(str(tmp_path / "scores"))
    asked = samples(UIDS[1], "f" * 32, None)
    strict = run(ImportedScores(files, by="uid"), asked)
    assert strict["error"].to_pylist() == [None, *["imported_scores: scores_missing"] * 2]
    free = run(ImportedScores(files, by="uid", required=False), asked)
    assert free["error"].null_count == 3
    assert free["imported_clip_l14_score"].to_pylist()[1:] == [None, None]


def test_rows_of_one_key_that_differ_are_ambiguous_and_equal_ones_are_not(tmp_path):
    write(tmp_path / "scores", 0, 3, None)
    write(tmp_path / "scores" / "twice", 1, 2, None)
    write(tmp_path / "scores" / "other", 2, 3, None, clip_l14_similarity_score=[0.9])
    table = run(ImportedScores(ScoreFiles(str(tmp_path / "scores")), by="uid"), samples(*UIDS[:3]))
    assert table["error"].to_pylist() == [None, None, "imported_scores: scores_ambiguous"]


def test_identity_is_the_files_content_wherever_they_lie(tmp_path):
    write(tmp_path / "a" / "scores", 0, 3)
    write(tmp_path / "b" / "scores", 0, 3)
    here, there = (ImportedScores(ScoreFiles(str(tmp_path / name / "scores"))) for name in "ab")
    assert stage_id(here) == stage_id(there)
    assert stage_id(pickle.loads(pickle.dumps(here))) == stage_id(here)
    write(tmp_path / "b" / "scores", 0, 3, clip_l14_similarity_score=[0.1, 0.1, 0.3])
    assert stage_id(here) != stage_id(there)


def test_an_imported_score_filters_like_one_that_was_measured(tmp_path):
    write(tmp_path / "scores", 0, 5, None)
    stages = [
        ImportedScores(ScoreFiles(str(tmp_path / "scores")), by="uid"),
        MinClipScore(0.3, "imported_clip_l14_score"),
    ]
    table = measure(Pipeline(stages), samples(*UIDS[:5]))
    assert [why is None for why in table["dropped_by"].to_pylist()] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "0.parquet").write_bytes(b"PAR1 no more"), "0.parquet cannot be loaded"),
        (
            lambda folder: pq.write_table(pa.table({"uid": ["a"], "x": [1]}), folder / "0.parquet"),
            "none of the columns",
        ),
        (lambda folder: pq.write_table(pa.table({"id": ["a"]}), folder / "0.parquet"), "no column 'uid'"),
        (lambda folder: (folder / "0.npz").unlink(), "0.npz cannot be loaded"),
        (lambda folder: np.savez(folder / "0.npz", b32_img=np.zeros((3, 4))), "no array 'l14_img'; it has b32_img"),
        (lambda folder: np.savez(folder / "0.npz", l14_img=np.zeros((2, 4))), r"is \[2, 4\], but 0.parquet has 3 rows"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, spoil, words):
    write(tmp_path / "scores", 0, 3)
    spoil(tmp_path / "scores")
    stage = ImportedScores(ScoreFiles(str(tmp_path / "scores")), by="uid", embedding="l14_img")
    with pytest.raises(PlanError, match=words):
        run(stage, samples(UIDS[0]))


def test_a_folder_without_files_is_told_before_the_run(tmp_path):
    with pytest.raises(PlanError, match="no folder with Parquet files"):
        ImportedScores(ScoreFiles(str(tmp_path))).check()
    with pytest.raises(PlanError, match="give files too"):
        ImportedScores(embedding="l14_img")
