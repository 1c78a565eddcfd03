"""An error of a disk, a server or a decoder is one sentence; a bug of ours surfaces as itself."""

import gzip

import aiohttp
import botocore.exceptions
import fsspec
import pytest

from curate.errors import PlanError, SourceError
from curate.sources import Shard, count, fetch, find_shards, scan
from curate.sources.kinds import tar
from curate.sources.opening import display_url, translate_errors
from tests.curate.sources.test_tar import rows, sample
from tests.support.images import tar_bytes


@pytest.fixture
def shard(tmp_path):
    (tmp_path / "x.tar").write_bytes(tar_bytes(sample("a")))
    return Shard("s", "tar", str(tmp_path / "x.tar"), 1)


@pytest.mark.parametrize(
    "bug",
    [IndexError("list index out of range"), TypeError("a bug"), KeyError("name"), AttributeError("x"), ValueError()],
)
def test_a_bug_while_a_tar_is_walked_surfaces_as_itself(shard, monkeypatch, bug):
    samples = rows(list(scan(shard)))

    def fail(*_):
        raise bug

    monkeypatch.setattr(tar, "iter_members", fail)
    monkeypatch.setattr(tar, "_image_at", fail)
    for read in (lambda: list(scan(shard)), lambda: count(shard), lambda: list(fetch(shard, samples))):
        with pytest.raises(type(bug)) as caught:
            read()
        assert caught.value is bug


def test_a_bug_while_shards_are_looked_for_surfaces_as_itself(shard, monkeypatch):
    def fail(*_):
        raise IndexError("a bug")

    monkeypatch.setattr("curate.sources.find._gather", fail)
    with pytest.raises(IndexError, match="a bug"):
        find_shards([shard.url])


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "Input/output error"),
        EOFError("ended early"),
        gzip.BadGzipFile("not gzip"),
        TimeoutError("too slow"),
        aiohttp.ClientPayloadError("cut"),
        botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"),
        botocore.exceptions.ClientError({"Error": {"Code": "500"}}, "GetObject"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("kind", [SourceError, PlanError])
def test_an_error_of_a_disk_a_server_or_a_decoder_is_one_sentence(error, kind):
    with pytest.raises(kind, match=r"^cannot read https://host/x\.tar: .") as caught, translate_errors(SIGNED, kind):
        raise error
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


SIGNED = "https://me:s3cret@host/x.tar?sig=s3cret"


def test_addresses_are_displayed_without_secrets():
    assert display_url(SIGNED) == "https://host/x.tar"
    assert display_url("/data/a?b@c") == "/data/a?b@c"


def test_a_file_that_is_no_tar_is_one_sentence(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"<html>" * 200)
    with pytest.raises(SourceError, match=r"x\.tar: not a tar file: it begins with the bytes 3c 68 74 6d"):
        list(scan(Shard("s", "tar", str(tmp_path / "x.tar"), 1)))


def test_a_bad_address_of_a_server_is_one_sentence(monkeypatch, bucket):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not an address")
    s3 = fsspec.get_filesystem_class("s3")
    monkeypatch.setattr(s3, "_cache", {})
    for pattern in ("s3://elsewhere/x.tar", "s3://elsewhere/*.tar", "s3://elsewhere/{00..20}.tar"):
        with pytest.raises(PlanError, match=r"^cannot read s3://elsewhere.*not an address"):
            find_shards([pattern])
