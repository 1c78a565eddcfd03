"""Laws of the tar writer: what the standard library reads is what went in."""

import hashlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ContractError
from curate.exports.hashed import HashedStream
from curate.exports.tar import TarStream, tar_header

NAMES = st.text("abcdefghijklmnop0123456789_-./", min_size=1, max_size=100).filter(
    lambda n: n.strip("/") and n[-1] != "/"
)


def test_a_file_of_many_blocks_is_written_whole_and_hashed():
    stream, blocks = io.BytesIO(), [bytes([i]) * (1 << 20) for i in range(11)]
    with HashedStream(stream) as hashed:
        sizes = [hashed.write(block) for block in blocks]
        sha256 = hashed.finish()
    assert stream.getvalue() == b"".join(blocks)
    assert (sum(sizes), hashed.tell()) == (11 << 20, 11 << 20)
    assert sha256 == hashlib.sha256(b"".join(blocks)).hexdigest()


@settings(deadline=None)  # a thread starts in each example, on a busy machine
@given(st.lists(st.tuples(NAMES, st.binary(max_size=2_000)), max_size=6))
def test_tarfile_reads_what_was_written(members):
    stream = io.BytesIO()
    with HashedStream(stream) as hashed:
        tar = TarStream(hashed)
        offsets = [tar.add(name, data) for name, data in members]
        sha256 = tar.finish()
    written = stream.getvalue()
    assert (sha256, tar.size_bytes) == (hashlib.sha256(written).hexdigest(), len(written))
    with tarfile.open(fileobj=io.BytesIO(written), errorlevel=2) as back:
        infos = back.getmembers()
        assert [(info.name, back.extractfile(info).read()) for info in infos] == members
    assert [info.offset_data for info in infos] == offsets


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 2**33 - 1])
def test_headers_equal_those_of_tarfile(size):
    info = tarfile.TarInfo("0123456789abcdef.jpg")
    info.size = size
    assert tar_header(info.name, size) == info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(("name", "size"), [("x" * 101, 1), ("x", 8 << 30)])
def test_what_ustar_cannot_hold_is_refused(name, size):
    with pytest.raises(ContractError, match="does not fit"):
        tar_header(name, size)
