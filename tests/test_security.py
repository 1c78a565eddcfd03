"""Hostile files, addresses with secrets, curious queries: what each may cost, and what it never gets."""

import contextlib
import gzip
import io
import re
import struct
import sys
import tarfile
import time
import tracemalloc
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.cli import main
from curate.dataset.manifest import Manifest, load, save
from curate.errors import CurateError, PlanError, SampleError, SourceError
from curate.inspect.query import query
from curate.pixels import decode, probe
from curate.sources import scan
from curate.sources.shard import Shard
from curate.storage.redact import mask_parameters, mask_text, mask_url
from curate.storage.store import Store
from tests.support.dataset_folder import make_dataset
from tests.support.images import jpeg

SIGNED = "https://me:hush@host.org/d/0.tar?X-Amz-Credential=hush&X-Amz-Signature=hush&part=1"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (SIGNED, "https://host.org/d/0.tar?part=1"),
        ("https://a.blob.core.windows.net/c/0.tar?sv=2024&sig=hush", "https://a.blob.core.windows.net/c/0.tar?sv=2024"),
        ("https://h/0.tar?Expires=1&Signature=hush&Key-Pair-Id=hush", "https://h/0.tar?Expires=1"),
        ("https://h/0.tar?token=hush", "https://h/0.tar"),
        ("https://h/get?file=0.tar&keyword=cat", "https://h/get?file=0.tar&keyword=cat"),
        ("s3://bucket/a@b/0.tar", "s3://bucket/a@b/0.tar"),
        ("simplecache::https://me:hush@h/0.tar", "simplecache::https://h/0.tar"),
        ("/data/me:hush@x?token=hush", "/data/me:hush@x?token=hush"),
    ],
)
def test_addresses_lose_passwords_and_signatures_and_nothing_else(url, kept):
    assert mask_url(url) == kept
    assert mask_text(f"cannot read '{url}' ({url})") == f"cannot read '{kept}' ({kept})"


def test_parameters_named_like_a_secret_are_masked():
    secret = dict.fromkeys(("api_key", "hf_token", "password", "apikey"), "hush") | {"url": SIGNED, "many": [SIGNED]}
    plain = {"max_tokens": 64, "monkey": "a", "token": None, "keys_kept": "b"}
    masked = mask_parameters(secret | plain)

    assert "hush" not in str(masked)
    assert masked["api_key"] == "***"
    assert {name: masked[name] for name in plain} == plain


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine.api_key", "hush"),
        ("engine.api_key_env", "hush"),
        ("engine", '{"model": "m", "api_key": "hush"}'),
        ("engines", '[{"servers": ["https://me:hush@h/v1"]}, {"deep": {"token": ["hush"]}}]'),
        ("engine.servers", "https://me:hush@h/v1,https://me:hush@i/v1"),
    ],
)
def test_secrets_deep_in_a_parameter_are_masked(path, text):
    assert "hush" not in str(mask_parameters({path: text}))


def test_the_name_of_the_variable_that_holds_a_key_is_no_secret():
    plain = {"engine.api_key_env": "MY_API_KEY", "engine": '{"api_key_env": "MY_API_KEY", "servers": ["http://h/v1"]}'}
    assert mask_parameters(plain) == plain


def test_no_file_of_a_run_holds_a_secret(tmp_path):
    store = Store(str(tmp_path))
    facts = {"sample_stage": "sample-v1", "stages": [], "verdict": "v", "limit": None, "code": "", "versions": {}}
    secret = {"parameters": {"api_key": "hush"}, "inputs": [SIGNED], "status": f"stopped: at {SIGNED}"}
    run = Manifest(id="000001-r-0", recipe="r", **facts, **secret)
    save(store, run, [Shard("d.0-00000000", "tar", SIGNED, 1)])

    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hush" in path.read_bytes()]
    kept = load(store, run.id)
    assert kept.shards(store)[0].url == kept.inputs[0] == "https://host.org/d/0.tar?part=1"
    assert run.inputs == [SIGNED]


def test_errors_in_the_terminal_hold_no_secret_and_no_escape_sequence(monkeypatch, capsys):
    address = "http://me:hush@127.0.0.1:9/\x1b[31m0.tar?sig=hush"
    monkeypatch.setattr(sys, "argv", ["curate", "plan", "datacomp_basic", "-i", "/no/\x1b[2Jwhere.tar", "-d", "out"])
    with pytest.raises(SystemExit) as end:
        main()
    monkeypatch.setattr(sys, "argv", ["curate", "query", address, "SELECT 1"])
    with pytest.raises(SystemExit):
        main()

    output = capsys.readouterr().err
    assert end.value.code == 2
    assert "hush" not in output
    assert "\x1b" not in output
    assert output.count("error: ") == output.count("\n") == 2


def png(*chunks):
    """Return a PNG of 10 x 10 pixels with chunks between its header and its pixels."""
    pixels = (b"IDAT", zlib.compress(b"\0" * 310))
    head = (b"IHDR", struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (head, *chunks, pixels, (b"IEND", b""))
    )


def tiff(pages):
    """Return a TIFF with a chain of tiny pages."""
    tags = [(256, 3, 1), (257, 3, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 1), (279, 4, 1)]
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", name, kind, 1, v) for name, kind, v in tags)
    starts = [*(16 + i * (len(body) + 4) for i in range(1, pages)), 0]
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + b"".join(body + struct.pack("<I", start) for start in starts)


def gif(frames, side=1):
    """Return a GIF of 1 x 1 pixels whose frames claim another size."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * frames + b"\x3b"


IMAGE = jpeg()
EXIF = b"\xff\xe1\xff\xffExif\0\0" + bytes(65527)
BOMB = b"k\0\0" + zlib.compress(bytes(100 << 20), 9)
BOMBS = {
    "PNG text of 100 MB": png((b"zTXt", BOMB)),
    "PNG texts of 1 GB": png(*[(b"zTXt", b"k\0\0" + zlib.compress(bytes(900 << 10)))] * 1100),
    "PNG colour profile of 100 MB": png((b"iCCP", BOMB)),
    "JPEG with 32 MB of EXIF": IMAGE[:2] + EXIF * 500 + IMAGE[2:],
    "JPEG with a million segments": IMAGE[:2] + b"\xff\xe5\0\2" * 1_000_000 + IMAGE[2:],
    "JPEG with a million fill bytes": IMAGE[:2] + b"\xff" * 1_000_000 + IMAGE[2:],
    "GIF with a frame beyond its screen": gif(1, 60_000),
    "GIF of 100,000 frames": gif(100_000),
    "TIFF of 40,000 pages": tiff(40_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_seconds_and_megabytes(name):
    start = time.process_time()
    codes, peak = set(), 0
    for read in (probe, lambda payload: decode(payload, 224)):
        try:
            read(BOMBS[name])
        except SampleError as error:
            codes.add(error.code)
    with measured_memory() as memory, contextlib.suppress(SampleError):
        decode(BOMBS[name], 224)
    peak = memory()

    assert codes <= {"image_undecodable", "image_too_large"}
    assert time.process_time() - start < 10
    assert peak < 2 * len(BOMBS[name]) + (80 << 20)


@contextlib.contextmanager
def measured_memory():
    """Give a function that tells the largest number of bytes that Python held inside the block."""
    peak = []
    tracemalloc.start()
    yield lambda: peak[0]
    peak.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()


def test_pages_are_counted_up_to_a_bound():
    assert probe(tiff(3)).frames == 3
    assert probe(tiff(10_100)).frames == 10_000


def test_a_packed_tar_with_a_gigabyte_of_text_takes_constant_memory(tmp_path):
    text, image = tarfile.TarInfo("a.txt"), tarfile.TarInfo("a.jpg")
    text.size, image.size = 1 << 30, len(IMAGE)
    with gzip.open(tmp_path / "x.tar.gz", "wb", 1) as packed:
        packed.write(text.tobuf())
        for _ in range(64):
            packed.write(bytes(1 << 24))
        packed.write(image.tobuf() + IMAGE + bytes(-len(IMAGE) % 512))
    with measured_memory() as memory:
        (sample,) = scan(Shard("x", "tar", str(tmp_path / "x.tar.gz"), 1))

    assert (sample.image, sample.alt_text_cut, len(sample.alt_text)) == (IMAGE, True, 65_536)
    assert memory() < 32 << 20


def test_a_header_of_countless_records_is_read_in_linear_time(tmp_path):
    content = b"6 a=b\n" * 170_000
    info, last = tarfile.TarInfo("pax"), tarfile.TarInfo("a.txt")
    info.type, info.size = tarfile.XHDTYPE, len(content)
    (tmp_path / "x.tar").write_bytes(info.tobuf() + content + bytes(-len(content) % 512) + last.tobuf())
    start = time.process_time()

    assert [sample.key for sample in scan(Shard("x", "tar", str(tmp_path / "x.tar"), 1))] == ["a"]
    assert time.process_time() - start < 3


def test_parquet_footers_that_lie_end_in_samples_or_one_sentence(tmp_path):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": [IMAGE] * 10}), buffer)
    data = buffer.getvalue()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    path = tmp_path / "x.parquet"
    for at in [match.start() + footer for match in re.finditer(rb"[\x15\x16\x26]", data[footer:-8])]:
        path.write_bytes(data[: at + 1] + b"\xfe\xff\xff\xff\x0f" + data[at + 6 :])
        with contextlib.suppress(PlanError, SourceError):
            list(scan(Shard("x", "parquet", str(path), 1)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_json_auto('/etc/passwd')",
        "SELECT * FROM parquet_scan('/etc/passwd')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM 'https://example.org/x.parquet'",
        "SELECT * FROM 's3://bucket/x.parquet'",
        "SELECT content FROM read_text('{root}/runs/*.json')",
        "SELECT content FROM read_text('{root}/columns/../runs/*.json')",
        "SELECT getenv('PATH')",
        "SELECT * FROM query($$COPY samples TO '{root}/x.csv'$$)",
        "SELECT * FROM sqlite_scan('/etc/passwd', 't')",
        "WITH t AS (SELECT * FROM glob('/*')) SELECT * FROM t",
        "SELECT (SELECT content FROM read_text('/etc/hostname'))",
        "SELECT uid FROM samples WHERE uid IN (SELECT content FROM read_text('/etc/hostname'))",
        "FROM read_csv('/dev/stdin')",
        "CALL pragma_version()",
        "CHECKPOINT",
        "SET enable_external_access = true",
        "PREPARE p AS COPY samples TO '{root}/x.csv'",
        "CREATE SECRET s (TYPE S3)",
        "SELECT * FROM duckdb_secrets(); COPY samples TO '{root}/x.csv'",
    ],
)
def test_a_query_reaches_no_other_file_and_no_setting(folder, sql):
    root = folder.store.local_path()
    before = sorted(root.rglob("*"))
    with pytest.raises(CurateError):
        query(folder.store, sql.format(root=root))

    assert sorted(root.rglob("*")) == before
