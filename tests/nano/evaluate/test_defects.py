"""The table of planted samples says what a run did, no more and no less."""

from hypothesis import given
from hypothesis import strategies as st

from nano.evaluate.defects import Fate, Truth, defect_table, pair_table, reason, tar_name


def at(row):
    return ("world-000000.tar", row)


def test_a_reason_is_the_error_code_or_the_filter_that_dropped_the_sample():
    assert reason(Fate(at(0), None, None)) == "kept"
    assert reason(Fate(at(0), "MinClipScore(minimum=0.6)", None)) == "MinClipScore"
    assert reason(Fate(at(0), "unmeasured: MinSide(minimum=200)", None)) == "MinSide"
    assert reason(Fate(at(0), "CaptionClean(allow=())", None)) == "kept"
    assert reason(Fate(at(0), None, "sample-v1-12345678: image_truncated")) == "error:image_truncated"


def test_recall_counts_the_planted_and_precision_everything_that_the_filter_dropped():
    small, clean, either = (at(row) for row in range(3)), (at(row) for row in range(3, 7)), at(7)
    planted = [
        *(Truth(place, None, ("kept",)) for place in clean),
        *(Truth(place, "too_small", ("MinSide",)) for place in small),
        Truth(either, "partial", ()),
    ]
    dropped_by = ["MinSide(minimum=160)", "CaptionWords()", None, "MinSide(minimum=160)", None, None, None, "MinSide()"]
    lines = defect_table([Fate(at(row), why, None) for row, why in enumerate(dropped_by)], planted)
    assert [(line.planted, line.samples, line.right, line.other, line.missed) for line in lines] == [
        ("clean", 4, 3, 1, 0),
        ("too_small", 3, 1, 1, 1),
    ]
    assert [(line.recall, line.precision) for line in lines] == [(0.75, None), (0.333, 0.5)]


def test_an_exact_duplicate_is_a_pair_of_both_columns_and_a_near_one_of_the_hash_only():
    planted = [
        Truth(at(0), None, ("kept",)),
        Truth(at(1), "exact_duplicate", ("kept",), at(0)),
        Truth(at(2), "near_duplicate", ("kept",), at(0)),
        Truth(at(3), None, ("kept",)),
        Truth(at(4), "truncated", ("error:image_truncated",)),
    ]
    digests = [("a", 0b0000), ("a", 0b0000), ("b", 0b0111), ("c", 2**63 - 1), (None, None)]
    found = [Fate(at(row), None, None, sha, phash) for row, (sha, phash) in enumerate(digests)]
    exact, near = pair_table(found, planted)
    assert (exact.measured, exact.true_pairs, exact.found_pairs, exact.recall, exact.precision) == (4, 1, 1, 1.0, 1.0)
    assert (near.measured, near.true_pairs, near.found_pairs, near.recall, near.precision) == (4, 3, 3, 1.0, 1.0)
    assert pair_table(found, planted, bits=2)[1].recall == 0.333


@given(st.lists(st.sampled_from(["MinSide()", "CaptionWords()", None]), min_size=1), st.randoms())
def test_the_table_does_not_depend_on_the_order_of_the_fates(dropped_by, rng):
    planted = [Truth(at(row), "too_small", ("MinSide",)) for row in range(len(dropped_by))]
    found = [Fate(at(row), why, None) for row, why in enumerate(dropped_by)]
    shuffled = rng.sample(found, len(found))
    assert defect_table(found, planted) == defect_table(shuffled, planted)


def test_a_shard_name_gives_its_tar_back():
    assert tar_name("shards.world-000002-1a2b3c4d") == "world-000002.tar"
