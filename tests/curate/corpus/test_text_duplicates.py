"""Laws of text duplicates: one group whatever the shards, the best by a key, texts of one language only."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus.tables import measure_tables
from curate.corpus.text_duplicates import TextDuplicates, check_memory
from curate.errors import ContractError, PlanError
from curate.stages import Resources

TEXTS = [
    *(f"A red barn by the quiet lake number {i} at dawn, Vermont, with a wooden fence" for i in range(5)),
    *("image not available", "IMAGE NOT AVAILABLE!", "Image  not available"),
    *(
        "a blue car",
        "A sunset over the hills",
        "静かな湖のほとりの赤い納屋",
        "静かな湖のほとりの赤い納屋。",
        None,
        "",
        "?!",
    ),
]


def table(texts=TEXTS, languages=None, scores=None):
    count = len(texts)
    return pa.table(
        {
            "uid": [f"{i * 7 % 101:032x}" for i in range(count)],
            "alt_text": pa.array(texts, pa.string()),
            "text_language": pa.array(languages or ["en"] * count, pa.string()),
            "clip_score": pa.array(scores or [None] * count, pa.float32()),
        }
    )


def cut(rows, shards, seed):
    order = np.random.default_rng(seed).permutation(rows.num_rows)
    return {f"{i:05d}.tar": rows.take(part) for i, part in enumerate(np.array_split(order, shards))}


def measured(stage, tables):
    return pa.concat_tables(measure_tables(stage, tables).values()).sort_by("uid").to_pylist()


def groups(stage, rows):
    """Return the samples of each group, by their place in `rows`."""
    place = {uid: i for i, uid in enumerate(rows["uid"].to_pylist())}
    found = {}
    for row in measured(stage, {"0": rows}):
        found.setdefault(row["text_duplicate_group"], []).append(place[row["uid"]])
    return sorted(sorted(group) for group in found.values() if len(group) > 1)


def test_texts_that_are_nearly_the_same_are_one_group():
    assert groups(TextDuplicates(), table()) == [[0, 1, 2, 3, 4], [5, 6, 7], [10, 11]]


def test_a_sample_without_a_text_is_a_group_by_itself():
    for row in measured(TextDuplicates(), {"0": table([None, None, "", "", "?", "?"])}):
        assert row["text_duplicate_group"] == row["uid"]
        assert row["text_duplicate_of"] is None


@pytest.mark.parametrize("stage", [TextDuplicates(), TextDuplicates(key="clip_score"), TextDuplicates(language=None)])
def test_shards_their_order_and_the_size_of_batches_change_nothing(stage):
    rows = table(TEXTS * 4, ["en", "de", None] * 20, [i % 11 / 10 for i in range(60)])
    whole = measured(stage, {"0": rows})
    for shards in (3, 17):
        assert measured(stage, cut(rows, shards, shards)) == whole
    assert measured(dataclasses.replace(stage, resources=Resources(memory_gib=1e-4)), cut(rows, 5, 1)) == whole


@pytest.mark.parametrize(
    ("stage", "scores", "best"),
    [
        (TextDuplicates(), [0.1, 0.9, 0.5], 0),
        (TextDuplicates(key="clip_score"), [0.1, 0.9, 0.5], 1),
        (TextDuplicates(key="clip_score", highest_first=False), [0.1, 0.9, 0.5], 0),
        (TextDuplicates(key="clip_score"), [None, 0.9, 0.9], 1),
        (TextDuplicates(key="clip_score", highest_first=False), [None, 0.9, 0.9], 1),
    ],
)
def test_the_best_of_a_group_is_by_the_key_then_by_uid(stage, scores, best):
    rows = table(["the same old text"] * 3, scores=scores)
    uids = rows["uid"].to_pylist()
    found = measured(stage, {"0": rows})
    assert {row["text_duplicate_group"] for row in found} == {uids[best]}
    assert {row["uid"]: row["text_duplicate_of"] for row in found} == {
        uid: None if uid == uids[best] else uids[best] for uid in uids
    }


def test_only_texts_of_one_language_are_compared():
    rows = table(["radio"] * 5, ["en", "de", "en", None, None])
    assert groups(TextDuplicates(), rows) == [[0, 2], [3, 4]]
    assert groups(TextDuplicates(language=None), rows) == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_pool_and_one_sample_are_no_trouble(count):
    assert len(measured(TextDuplicates(), {"0": table(["alone"] * count)})) == count


def test_what_cannot_work_is_one_sentence():
    with pytest.raises(PlanError, match="similarity=0: give a Jaccard index"):
        TextDuplicates(similarity=0)
    with pytest.raises(ContractError, match="clip_score is float; give a column of texts"):
        measure_tables(TextDuplicates("clip_score"), {"0": table()})
    with pytest.raises(PlanError, match=r"90,000,000 texts take 8.4 GiB in one task.*give resources.memory_gib=8.5"):
        check_memory(90_000_000, Resources())
    check_memory(90_000_000, Resources(memory_gib=8.5))
