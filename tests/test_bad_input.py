"""Bad input through the whole run: each kind gives what docs/bad-input.md says, and its neighbours are intact."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from curate.inspect.query import query
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from curate.storage.store import Store
from pipelines.datacomp_basic import datacomp_basic
from tests.support.images import animation, encode, image, jpeg, noise, png_bomb, tar_bytes, turned

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

TEXT = b"a red square beside a green square above a blue one"
GOOD = jpeg(256, 240)
SIXTEEN_BIT = encode(Image.fromarray(np.full((240, 240), 30_000, np.uint16)), "PNG")

IMAGES = {  # what the image is, and what becomes of the sample: null = kept
    "good": (GOOD, None),
    "truncated": (noise(256, 256)[:20_000], "image_facts: image_truncated"),
    "zero_bytes": (b"", "sample: empty_image"),
    "html": (b"<html><body>404</body></html>", "image_facts: image_undecodable"),
    "wrong_extension": (encode(image(256, 240), "PNG"), None),
    "cmyk": (encode(image(256, 240, "CMYK")), None),
    "palette": (encode(image(256, 240, "P"), "PNG"), None),
    "sixteen_bit": (SIXTEEN_BIT, None),
    "exif_rotated": (turned(6), "MinSide(minimum_px=200)"),
    "animated": (animation(), "MinSide(minimum_px=200)"),
    "bomb": (png_bomb(60_000, 60_000), "image_facts: image_too_large"),
}


def datacomp(tmp_path: Path, *shards: bytes) -> dict[str, dict]:
    """Run DataComp's basic filter over some tars and return the samples by key."""
    (tmp_path / "in").mkdir()
    for i, shard in enumerate(shards):
        (tmp_path / "in" / f"{i:05d}.tar").write_bytes(shard)
    stages = [stage for stage in datacomp_basic().stages if type(stage).__name__ != "LanguageIn"]
    run(RunRequest(Pipeline(stages), [str(tmp_path / "in")], str(tmp_path / "out")), Console(quiet=True))
    rows = query(Store(str(tmp_path / "out")), 'SELECT * EXCLUDE (members) FROM samples ORDER BY shard, "row"')
    return {f"{row['shard'].split('-')[0]}/{row['key']}/{row['row']}": row for row in rows.to_pylist()}


def fate(row: dict) -> str | None:
    return row["error"] or row["dropped_by"]


def test_every_kind_of_image_gets_its_documented_result(tmp_path):
    members = [pair for name, (data, _) in IMAGES.items() for pair in ((f"{name}.jpg", data), (f"{name}.txt", TEXT))]
    rows = datacomp(tmp_path, tar_bytes(members))

    assert {row["key"]: fate(row) for row in rows.values()} == {name: what for name, (_, what) in IMAGES.items()}
    assert {row["key"]: row["image_format"] for row in rows.values() if row["key"] in ("wrong_extension", "good")} == {
        "good": "jpeg",
        "wrong_extension": "png",
    }
    sizes = {row["key"]: (row["image_width_px"], row["image_height_px"]) for row in rows.values()}
    assert (sizes["exif_rotated"], sizes["animated"]) == ((48, 64), (16, 16))


def test_texts_that_are_missing_broken_or_huge_are_handled(tmp_path):
    huge = b"word " * (20 << 20)  # 100 MiB
    members = [
        ("missing.jpg", GOOD),
        ("latin1.jpg", GOOD),
        ("latin1.txt", "ein schönes großes Bild von Äpfeln".encode("latin-1")),
        ("huge.jpg", GOOD),
        ("huge.txt", huge),
        ("after.jpg", GOOD),
        ("after.txt", TEXT),
    ]
    rows = {row["key"]: row for row in datacomp(tmp_path, tar_bytes(members)).values()}

    assert rows["missing"]["alt_text"] is None
    assert fate(rows["missing"]) == "CaptionWords(minimum=3, maximum=None, column='text_spaced_words')"
    assert rows["latin1"]["alt_text"] == "ein sch\ufffdnes gro\ufffdes Bild von \ufffdpfeln"
    assert (len(rows["huge"]["alt_text"]), rows["huge"]["alt_text_cut"]) == (65_536, True)
    assert fate(rows["after"]) is None


def test_repeated_keys_cut_tars_and_empty_tars_cost_only_themselves(tmp_path):
    twice = tar_bytes([("a.jpg", GOOD), ("a.txt", TEXT), ("b.jpg", GOOD), ("b.txt", TEXT), ("a.jpg", GOOD)])
    cut = tar_bytes([("a.jpg", GOOD), ("a.txt", TEXT), ("b.jpg", GOOD), ("b.txt", TEXT)])
    rows = datacomp(tmp_path, twice, cut[: cut.index(b"b.jpg") + 512 + len(GOOD) // 2], tar_bytes({}), b"")

    assert {name: fate(row) for name, row in rows.items()} == {
        "in.00000/a/0": None,
        "in.00000/b/1": None,
        "in.00000/a/2": "sample: duplicate_key",
        "in.00001/a/0": None,
        "in.00001/b/1": "sample: truncated_member",
    }
    assert len({row["uid"] for row in rows.values()}) == 5


def test_members_that_point_elsewhere_are_no_samples(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind in (("link.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE), ("dev.jpg", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in ("../up.jpg", "/absolute.jpg", "good.jpg"):
            info = tarfile.TarInfo(name)
            info.size = len(GOOD)
            tar.addfile(info, io.BytesIO(GOOD))

    assert [row["key"] for row in datacomp(tmp_path, buffer.getvalue()).values()] == ["good"]
