"""Requests to a web server that fails for a moment are repeated, a limited number of times."""

import time

import pytest

from curate.errors import PlanError, SourceError
from curate.sources import count, fetch, find_shards, scan
from curate.storage.filesystems import TRIES, open_filesystem
from tests.curate.sources.test_tar import rows
from tests.support.images import tar_bytes
from tests.support.s3 import ENVIRONMENT

IMAGES = {f"{i:03}.jpg": bytes([i]) * 300_000 for i in range(40)}


@pytest.fixture
def address(bucket):
    """Put a tar of 12 MB behind a plain web address; the S3 server gives it to anybody, with byte ranges."""
    filesystem, root = open_filesystem(bucket)
    filesystem.pipe(f"{root}/00000.tar", tar_bytes(IMAGES))
    filesystem.chmod(f"{root}/00000.tar", acl="public-read")
    return f"{ENVIRONMENT['AWS_ENDPOINT_URL']}/{root}/00000.tar"


@pytest.mark.parametrize("failure", ["busy", "reset", "cut"])
def test_passing_failures_of_a_web_server_leave_no_trace(address, s3, failure):
    s3.failure, s3.every = failure, 3
    (shard,) = find_shards([address])
    samples = list(scan(shard))

    assert [sample.image for sample in samples] == list(IMAGES.values())
    assert list(fetch(shard, rows(samples).take([5, 30]))) == [samples[5].image, samples[30].image]
    assert count(shard) == 40


@pytest.mark.slow
def test_a_web_server_that_stays_down_is_one_sentence_after_some_tries(address, s3):
    (shard,) = find_shards([address])
    s3.failure, s3.every, s3.requests = "busy", 1, 0
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"^cannot read http://.*/00000\.tar: .*503") as caught:
        list(scan(shard))

    assert "\n" not in str(caught.value)
    assert TRIES <= s3.requests <= 2 * TRIES
    assert time.monotonic() - start < 20


def test_a_missing_file_is_requested_once(address, s3):
    s3.requests = 0
    with pytest.raises(PlanError, match="does not exist"):
        find_shards([address.replace("00000", "none")])

    assert s3.requests <= 2
