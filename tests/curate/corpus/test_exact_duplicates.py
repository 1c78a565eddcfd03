import itertools
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus.exact_duplicates import ExactDuplicates, normal_url
from curate.corpus.tables import measure_tables
from curate.errors import ContractError, PlanError
from curate.stages import Resources


def uid(i):
    return f"{(i * 7919) % 10_007:032x}"


def rows(**columns):
    n = len(next(iter(columns.values())))
    return pa.table({"uid": [uid(i) for i in range(n)], **columns})


def measured(stage, table, cuts=()):
    edges = [0, *cuts, table.num_rows]
    parts = {f"{i:05d}": table.slice(a, b - a) for i, (a, b) in enumerate(itertools.pairwise(edges))}
    return pa.concat_tables(measure_tables(stage, parts)[name] for name in sorted(parts)).to_pylist()


@given(st.lists(st.none() | st.sampled_from("abcdef"), max_size=30), st.data())
@settings(max_examples=25, deadline=None)
def test_groups_are_those_of_a_dictionary_whatever_the_shards(values, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    stage = ExactDuplicates("bytes", resources=Resources(memory_gib=3 * 4_096 / (1 << 30)))
    table = rows(image_sha256=pa.array(values, pa.string()))
    best = {}
    for i, value in enumerate(values):
        best[value] = min(best.get(value, uid(i)), uid(i))
    expected = [uid(i) if value is None else best[value] for i, value in enumerate(values)]
    found = measured(stage, table, cuts)
    assert [row["exact_duplicate_group"] for row in found] == expected
    assert [row["exact_duplicate_of"] for row in found] == [
        None if group == uid(i) else group for i, group in enumerate(expected)
    ]


def test_texts_are_compared_as_they_read():
    texts = ["A red  barn", "a RED barn", "\uff41 red barn", "a red barn.", "", None, " "]
    found = measured(ExactDuplicates("text"), rows(alt_text=texts))
    groups = [row["exact_duplicate_group"] for row in found]
    assert len(set(groups[:3])) == 1
    assert len(set(groups[3:])) == 4


def test_urls_are_those_of_the_metadata():
    urls = ["http://a.org/x.jpg", "HTTP://A.org/x.jpg#1", "http://a.org/X.jpg"]
    metadata = [*(json.dumps({"url": url}) for url in urls), "no json", '{"url": 3}', None]
    groups = [row["exact_duplicate_group"] for row in measured(ExactDuplicates("url"), rows(metadata=metadata))]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5


@pytest.mark.parametrize("text", ["[]", '"url"', "{}", '{"url": ""}', '{"url": "http://[bad"}'])
def test_metadata_without_a_url_has_none(text):
    assert normal_url(text) is None


def test_the_best_has_the_best_key():
    table = rows(image_sha256=["x", "x", "x"], clip_score=pa.array([0.1, 0.4, float("nan")], pa.float32()))
    stage = ExactDuplicates(key="clip_score", prefix="bytes_")
    assert {row["bytes_exact_duplicate_group"] for row in measured(stage, table)} == {uid(1)}


def test_bad_parameters_and_columns_are_one_sentence():
    with pytest.raises(PlanError, match="give one of bytes, pixels, text, url"):
        ExactDuplicates("phash")
    with pytest.raises(ContractError, match="alt_text is int64; give a column of texts"):
        measured(ExactDuplicates("text"), rows(alt_text=[1, 2]))
