import gzip
import io
import json
import tarfile
import tracemalloc

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import SampleError, SourceError
from curate.sources import Shard, count, fetch, scan
from curate.sources.member_names import split_name
from tests.support.images import jpeg, tar_bytes

JPEG = jpeg()
FORMATS = [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]


@pytest.fixture
def shard(tmp_path):
    def write(content, name="00000.tar", limit=None):
        path = tmp_path / name
        path.write_bytes(content)
        return Shard("s", "tar", str(path), len(content), limit=limit)

    return write


def read(shard):
    samples = list(scan(shard))
    assert count(shard) == len(samples)
    return samples


def rows(samples):
    """The part of the sample table that `fetch` needs."""
    return pa.Table.from_pylist(
        [
            {
                "row": i,
                "key": s.key,
                "image_member": s.image_member,
                "members": [{"name": m.name, "offset": m.offset, "size": m.size_bytes} for m in s.members],
            }
            for i, s in enumerate(samples)
        ],
        schema=pa.schema(
            [
                ("row", pa.int32()),
                ("key", pa.string()),
                ("image_member", pa.string()),
                ("members", pa.list_(pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64())]))),
            ]
        ),
    )


def error_codes(samples):
    return [s.error and s.error.code for s in samples]


def sample(key, image=JPEG, text="a text", metadata=None):
    members = {f"{key}.jpg": image, f"{key}.txt": text.encode()}
    return members | ({f"{key}.json": json.dumps(metadata).encode()} if metadata is not None else {})


def test_img2dataset_layout(shard):
    members = sample("000000001", text="a cat", metadata={"url": "u", "caption": "other"}) | sample("000000002")
    one, two = read(shard(tar_bytes(members)))
    assert (one.key, one.image_member, one.image, one.alt_text) == ("000000001", "000000001.jpg", JPEG, "a cat")
    assert json.loads(one.metadata) == {"url": "u", "caption": "other"}
    assert [m.name for m in one.members] == ["000000001.jpg", "000000001.txt", "000000001.json"]
    assert (two.metadata, two.error) == (None, None)


def test_other_members_are_kept_by_name_and_never_taken_for_the_image(shard):
    (one,) = read(shard(tar_bytes({"a/b.seg.png": b"mask", "a/b.jpg": JPEG, "a/b.cls": b"7"})))
    assert (one.key, one.image_member, one.image) == ("a/b", "a/b.jpg", JPEG)
    assert [m.name for m in one.members] == ["a/b.seg.png", "a/b.jpg", "a/b.cls"]


def test_of_two_images_the_first_by_format_is_the_image(shard):
    (one,) = read(shard(tar_bytes({"a.webp": b"w", "a.png": b"p", "a.gif": b"g"})))
    assert (one.image_member, one.image, len(one.members)) == ("a.png", b"p", 3)


def test_alt_text_comes_from_the_json_when_there_is_no_txt(shard):
    members = {"a.jpg": JPEG, "a.json": b'{"text": "t", "caption": "c"}', "b.jpg": JPEG, "b.json": b'{"text": "t"}'}
    members |= {"c.jpg": JPEG, "c.txt": b"", "c.json": b'{"caption": "c"}', "d.jpg": JPEG, "d.json": b'{"caption": 3}'}
    assert [s.alt_text for s in read(shard(tar_bytes(members)))] == ["c", "t", "", None]


def test_missing_text_is_no_error(shard):
    (one,) = read(shard(tar_bytes({"a.jpg": JPEG})))
    assert (one.alt_text, one.alt_text_cut, one.metadata, one.error) == (None, False, None, None)


def test_missing_and_empty_images_are_errors_and_neighbours_are_intact(shard):
    members = sample("a") | {"b.txt": b"no image"} | {"c.jpg": b"", "c.txt": b""} | sample("d")
    samples = read(shard(tar_bytes(members)))
    assert error_codes(samples) == [None, "missing_image", "empty_image", None]
    assert samples[1].alt_text == "no image"
    assert [s.image for s in samples] == [JPEG, None, None, JPEG]


def test_bad_utf8_becomes_replacement_characters(shard):
    (one,) = read(shard(tar_bytes({"a.jpg": JPEG, "a.txt": b"caf\xe9 \xf0\x28 ok"})))
    assert one.alt_text == "caf\ufffd \ufffd( ok"


def test_lone_surrogates_from_json_become_replacement_characters(shard):
    (one,) = read(shard(tar_bytes({"a.jpg": JPEG, "a.json": b'{"caption": "x\\ud800y \\ud83d\\ude00"}'})))
    assert one.alt_text == "x\ufffdy \U0001f600"


@pytest.mark.parametrize(
    "raw",
    [b"{", b"", b"\xff\xfe\x00", b"[" * 200_000, b'{"a":' * 50_000, b"1" * 5_000, b'"' + b"x" * (1 << 20) + b'"'],
    ids=["open", "empty", "binary", "deep list", "deep object", "long number", "over 1 MiB"],
)
def test_metadata_that_is_broken_deep_or_long_is_null(shard, raw):
    (one,) = read(shard(tar_bytes({"a.jpg": JPEG, "a.json": raw})))
    assert (one.metadata, one.alt_text, one.error) == (None, None, None)


def test_nan_in_metadata_becomes_null(shard):
    (one,) = read(shard(tar_bytes({"a.jpg": JPEG, "a.json": b'{"x": NaN, "y": [Infinity, 1.5]}'})))
    assert json.loads(one.metadata) == {"x": None, "y": [None, 1.5]}


def test_a_text_of_100_megabytes_is_cut_without_being_read(shard):
    huge = b"x" * 100_000_000
    target = shard(tar_bytes({"a.jpg": JPEG, "a.txt": huge, "b.jpg": JPEG, "b.txt": "ü€😀".encode() * 65_536}))
    del huge
    tracemalloc.start()
    one, two = read(target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(one.alt_text), one.alt_text_cut, len(two.alt_text), two.alt_text_cut) == (65_536, True, 65_536, True)
    assert "\ufffd" not in two.alt_text
    assert peak < 16_000_000


def test_an_image_over_the_limit_is_not_read(shard, tmp_path):
    target = shard(tar_bytes(sample("z")))
    path = tmp_path / "long.tar"
    info = tarfile.TarInfo("a.jpg")
    info.size = (256 << 20) + 1
    with path.open("wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
        stream.seek((info.size + 511) // 512 * 512, io.SEEK_CUR)  # a hole: no disk is used
        stream.write((tmp_path / "00000.tar").read_bytes())
    tracemalloc.start()
    one, two = read(Shard("s", "tar", str(path), target.size_bytes))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (one.error.code, one.image, two.error, two.image) == ("image_too_long", None, None, JPEG)
    assert peak < 16_000_000


def test_a_repeated_key_keeps_the_first_sample_intact(shard):
    pairs = [*sample("a", text="first").items(), *sample("b").items(), *sample("a", text="later").items()]
    pairs += [("c.jpg", JPEG), ("c.jpg", b"again"), ("c.txt", b"x")]
    samples = read(shard(tar_bytes(pairs)))
    assert [s.key for s in samples] == ["a", "b", "a", "c", "c"]
    assert error_codes(samples) == [None, None, "duplicate_key", None, "duplicate_key"]
    assert (samples[0].alt_text, samples[0].image, samples[2].image) == ("first", JPEG, None)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_cut_tar_gives_every_sample_before_the_cut(shard, pack):
    whole = tar_bytes(sample("a") | sample("b") | sample("c"))
    reference = read(shard(whole))
    image = reference[1].members[0]
    for end, expected in (
        (image.offset + 10, [None, "truncated_member"]),
        (image.offset + image.size_bytes, [None, None]),  # the last image is whole; its text is missing, as it may be
        (reference[1].members[1].offset + 1, [None, "truncated_member"]),
        (image.offset - 512 + 100, [None, "truncated_member"]),  # inside a header: an extra sample marks the place
    ):
        samples = read(shard(pack(whole[:end])))
        assert error_codes(samples) == expected
        assert samples[0].image == JPEG
    packed = pack(whole)
    if pack is gzip.compress:  # cut in the compressed stream
        packed = packed[: len(packed) - 20]
        assert read(shard(packed))[0].image == JPEG


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 12_000))
def test_no_cut_anywhere_harms_a_whole_sample_or_stops_the_scan(tmp_path_factory, cut):
    whole = tar_bytes(sample("a") | sample("b") | sample("c"))
    path = tmp_path_factory.mktemp("cut") / "x.tar"
    path.write_bytes(whole[: max(512, len(whole) - cut)])
    good = [s for s in scan(Shard("s", "tar", str(path), 0)) if s.error is None]
    assert all(s.image == JPEG and s.alt_text in ("a text", None) for s in good)
    assert [s.key for s in good] == ["a", "b", "c"][: len(good)]


def test_a_damaged_header_is_one_marked_sample_and_the_walk_goes_on(shard):
    whole = bytearray(tar_bytes(sample("a") | sample("b") | sample("c")))
    header = read(shard(bytes(whole)))[1].members[0].offset - 512
    whole[header + 3 : header + 40] = b"\xa5" * 37
    samples = read(shard(bytes(whole)))
    assert [s.key for s in samples] == ["a", f"a#damaged@{header}", "b", "c"]
    assert error_codes(samples) == [None, "tar_damaged", "missing_image", None]
    assert samples[0].image == samples[3].image == JPEG


def test_damage_to_the_end_of_the_tar_ends_the_scan(shard):
    whole = tar_bytes(sample("a"))
    end = max(m.offset for m in read(shard(whole))[0].members) + 512
    assert error_codes(read(shard(whole[:end] + b"\xa5" * 5_120))) == [None, "tar_damaged"]


def test_an_empty_tar_has_no_samples(shard):
    assert read(shard(tar_bytes({}))) == []
    assert read(shard(b"")) == []


def test_concatenated_tars_are_read_whole(shard):
    assert [s.key for s in read(shard(tar_bytes(sample("a")) + tar_bytes(sample("b"))))] == ["a", "b"]


@pytest.mark.parametrize("content", [b"<html>404 not found</html>", b"\x89PNG" * 1_000])
def test_what_is_no_tar_is_a_source_error(shard, content):
    with pytest.raises(SourceError, match=r"00000\.tar: not a tar file"):
        list(scan(shard(content)))


def test_a_shard_that_vanished_is_a_source_error(tmp_path):
    for call in (lambda s: list(scan(s)), count, lambda s: list(fetch(s, rows([])))):
        with pytest.raises(SourceError, match=r"gone\.tar"):
            call(Shard("s", "tar", str(tmp_path / "gone.tar"), 0))


def test_links_devices_folders_and_names_that_leave_the_folder_are_no_samples(shard):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"x{kind.decode()}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("/abs.jpg", "../up.jpg", "a/../../b.jpg", "a/..", ".hidden.jpg", "d/._x.jpg", "README", "ok.jpg"):
            info = tarfile.TarInfo(name)
            info.size = len(JPEG)
            tar.addfile(info, io.BytesIO(JPEG))
    assert [s.key for s in read(shard(buffer.getvalue()))] == ["ok"]


def test_limit_stops_scan_and_count(shard):
    whole = tar_bytes({f"{i}.jpg": JPEG for i in range(9)})
    assert [s.key for s in read(shard(whole, limit=4))] == ["0", "1", "2", "3"]


def test_fetch_gives_the_image_bytes_of_any_rows(shard):
    members = {f"{i}.jpg": JPEG + bytes([i]) for i in range(9)} | {"x.txt": b"", "y.png": b""}
    for content in (tar_bytes(members), gzip.compress(tar_bytes(members))):
        target = shard(content)
        samples = read(target)
        table = rows(samples)
        assert list(fetch(target, table.slice(0, 9))) == [s.image for s in samples[:9]]
        assert list(fetch(target, table.take([7, 2]))) == [JPEG + b"\x07", JPEG + b"\x02"]
        assert list(fetch(target, table.slice(0, 0))) == []
        lost = list(fetch(target, table.slice(8)))
        assert lost[0] == JPEG + b"\x08"
        assert [e.code for e in lost[1:]] == ["missing_image", "empty_image"]


def test_fetch_from_a_shard_that_became_shorter_is_a_sample_error(shard):
    whole = tar_bytes(sample("a"))
    table = rows(read(shard(whole)))
    (error,) = fetch(shard(whole[:700]), table)
    assert isinstance(error, SampleError)
    assert error.code == "truncated_member"


NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/.\\"), min_size=1, max_size=150),
    min_size=1,
    max_size=5,
    unique=True,
)


@settings(max_examples=80, deadline=None)
@given(NAMES, st.sampled_from(FORMATS), st.booleans(), st.lists(st.binary(max_size=1_500), min_size=5, max_size=5))
def test_any_tar_that_python_writes_gives_its_samples(tmp_path_factory, names, kind, packed, contents):
    if kind == tarfile.USTAR_FORMAT:
        names = [name for name in names if len(name.encode()) <= 90]
    pairs = []
    for name, content in zip(names, contents, strict=False):
        pairs += [(f"folder/{name}.jpg", content), (f"folder/{name}.txt", name.encode())]
    path = tmp_path_factory.mktemp("tars") / "x.tar"
    path.write_bytes(tar_bytes(pairs, kind, "w:gz" if packed else "w"))
    shard = Shard("s", "tar", str(path), path.stat().st_size)
    samples = read(shard)
    assert [(s.key, s.alt_text, s.image) for s in samples] == [
        (f"folder/{n}", n.removeprefix("\ufeff"), c or None) for n, c in zip(names, contents, strict=False)
    ]
    with tarfile.open(path) as tar:
        offsets = [i.offset_data for i in tar]
    assert [m.offset for s in samples for m in s.members] == offsets


def test_long_names_and_long_prefixes_in_every_format(shard):
    for kind in FORMATS:
        deep = "/".join(["folder"] * 12) + "/" + "n" * 80
        samples = read(shard(tar_bytes({f"{deep}.jpg": JPEG, f"{deep}.txt": b"t", "b.jpg": JPEG}, kind)))
        assert [s.key for s in samples] == [deep, "b"]


def test_a_member_with_a_pax_size_record_and_with_a_base_256_size(shard):
    info = tarfile.TarInfo("a.jpg")
    info.size = len(JPEG)
    info.pax_headers = {"size": str(len(JPEG)), "comment": "x"}
    body = JPEG + bytes(-len(JPEG) % 512)
    content = info.tobuf(tarfile.PAX_FORMAT) + body
    plain = bytearray(tarfile.TarInfo("b.jpg").tobuf(tarfile.USTAR_FORMAT))
    plain[124:136] = b"\x80" + len(JPEG).to_bytes(11, "big")
    plain[148:156] = b" " * 8
    plain[148:156] = b"%06o\0 " % sum(plain)
    samples = read(shard(content + bytes(plain) + body))
    assert [(s.key, s.image) for s in samples] == [("a", JPEG), ("b", JPEG)]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.jpg", ("a", "jpg")),
        ("./d/a.JPG", ("d/a", "jpg")),
        ("d.x/a.b.png", ("d.x/a", "b.png")),
        (".a", None),
        ("a", None),
        ("d.x/a", None),
    ],
)
def test_split_name(name, parts):
    assert split_name(name) == parts
