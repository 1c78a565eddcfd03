import datetime
import decimal
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError, SourceError
from curate.sources import Shard, count, fetch, scan
from tests.support.images import encode, jpeg
from tests.support.images import image as rgb

JPEG = jpeg()
HF = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def shard(tmp_path):
    def write(columns, limit=None, **options):
        path = tmp_path / "train-00000.parquet"
        pq.write_table(pa.table(columns), path, **options)
        return Shard("s", "parquet", str(path), path.stat().st_size, limit=limit)

    return write


def read(shard):
    samples = list(scan(shard))
    assert count(shard) == len(samples)
    return samples


def test_hugging_face_layout(shard):
    images = pa.array([{"bytes": JPEG, "path": "cat.jpg"}, {"bytes": JPEG, "path": None}], HF)
    one, two = read(shard({"image": images, "text": ["a cat", None], "label": [3, 4]}))
    assert (one.key, one.image_member, one.image, one.alt_text) == ("000000000", "cat.jpg", JPEG, "a cat")
    assert (one.members[0].offset, one.members[0].size_bytes) == (-1, len(JPEG))
    assert (two.image_member, two.alt_text, two.error) == ("000000001.jpeg", None, None)
    assert json.loads(two.metadata) == {"label": 4}


def test_plain_binary_layout_with_keys(shard):
    images = pa.array([encode(rgb(), "PNG"), b"junk"], pa.large_binary())
    samples = read(shard({"pixels": images, "id": [17, None], "caption": pa.array(["x", "y"]).dictionary_encode()}))
    assert [(s.key, s.image_member, s.alt_text) for s in samples] == [
        ("17", "17.png", "x"),
        ("000000001", "000000001.bin", "y"),
    ]
    assert samples[0].metadata is None


def test_errors_are_per_row_and_neighbours_are_intact(shard):
    images = pa.array(
        [{"bytes": JPEG}, {"bytes": None, "path": "/etc/passwd"}, None, {"bytes": b""}, {"bytes": JPEG}], HF
    )
    samples = read(shard({"image": images, "key": ["a", "b", "c", "d", "a"]}))
    codes = [s.error and s.error.code for s in samples]
    assert codes == [None, "missing_image", "missing_image", "empty_image", None]
    assert [s.image for s in samples] == [JPEG, None, None, None, JPEG]


def test_other_columns_become_sorted_json(shard):
    columns = {
        "z": [datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)],
        "a": [float("nan")],
        "d": [datetime.date(2024, 5, 6)],
        "n": [decimal.Decimal("1.50")],
        "span": [datetime.timedelta(seconds=90)],
        "list": [[{"x": 1.5}, {"x": float("inf")}]],
        "thumb": pa.array([[b"binary"]], pa.list_(pa.binary())),
        "none": pa.array([None], pa.string()),
    }
    (one,) = read(shard({"image": pa.array([JPEG], pa.binary()), **columns}))
    expected = {"a": None, "d": "2024-05-06", "list": [{"x": 1.5}, {"x": None}], "n": "1.50", "none": None}
    expected |= {"span": 90.0, "z": "2024-05-06T07:08:09+00:00"}
    assert json.loads(one.metadata) == expected
    assert list(json.loads(one.metadata)) == sorted(expected)


def invalid_utf8(values):
    return pa.array(values, pa.binary()).view(pa.string())


def test_strings_that_are_no_utf8_harm_only_themselves(shard):
    images = pa.array([JPEG] * 3, pa.binary())
    columns = {
        "image": images,
        "text": invalid_utf8([b"a", b"caf\xe9", b"c"]),
        "m": invalid_utf8([b"a", b"b", b"\xff"]),
    }
    samples = read(shard({**columns, "key": invalid_utf8([b"k\xff", b"l", b"m"])}))
    assert [s.alt_text for s in samples] == ["a", "caf\ufffd", "c"]
    assert [s.key for s in samples] == ["k\ufffd", "l", "m"]
    assert [s.metadata for s in samples] == ['{"m": "a"}', '{"m": "b"}', None]


def test_long_texts_are_cut_and_long_metadata_is_null(shard):
    columns = {"image": pa.array([JPEG], pa.binary()), "text": ["x" * 300_000], "m": ["y" * (1 << 20)]}
    (one,) = read(shard(columns))
    assert (len(one.alt_text), one.alt_text_cut, one.metadata) == (65_536, True, None)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"url": ["x"], "text": ["y"]}, "no column of image bytes; its columns are: url, text"),
        ({"one": [b"x"], "two": [b"y"]}, r"several binary columns \(one, two\)"),
    ],
)
def test_a_file_without_one_clear_image_column_is_a_plan_error(shard, columns, message):
    with pytest.raises(PlanError, match=message):
        list(scan(shard(columns)))


def test_an_image_column_by_name_wins_over_other_binary_columns(shard):
    (one,) = read(shard({"embedding": [b"e"], "jpg": [JPEG]}))
    assert one.image == JPEG


@pytest.mark.parametrize("content", [b"", b"PAR1", b"<html>" * 100])
def test_what_is_no_parquet_is_a_source_error(tmp_path, content):
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.parquet"):
        list(scan(Shard("s", "parquet", str(path), len(content))))


def test_limit_and_an_empty_file(shard):
    images = pa.array([JPEG] * 9, pa.binary())
    assert len(read(shard({"image": images}, limit=4))) == 4
    assert read(shard({"image": images.slice(0, 0)})) == []


def test_fetch_reads_only_the_row_groups_asked_for(shard):
    payloads = [JPEG + bytes([i]) for i in range(50)]
    target = shard({"image": pa.array([{"bytes": p} for p in payloads], HF)}, row_group_size=7)
    for numbers in ([0, 1, 6, 7, 30, 49], [], [48]):
        assert list(fetch(target, pa.table({"row": pa.array(numbers, pa.int32())}))) == [payloads[i] for i in numbers]
    lost = list(fetch(target, pa.table({"row": pa.array([49, 50], pa.int32())})))
    assert (lost[0], lost[1].code) == (payloads[49], "missing_image")


def test_memory_does_not_grow_with_the_row_group(shard):
    noise = np.random.default_rng(0)
    rows = [noise.bytes(2_000_000) for _ in range(100)]
    target = shard({"image": pa.array(rows, pa.binary())}, row_group_size=100, use_dictionary=False, write_batch_size=1)
    del rows
    pool = pa.default_memory_pool()
    before = peak = pool.bytes_allocated()
    for one in scan(target):
        peak = max(peak, pool.bytes_allocated())
        assert len(one.image) == 2_000_000
    assert peak - before < 120_000_000  # 200 MB of rows
