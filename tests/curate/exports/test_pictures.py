"""Laws of images that are changed on request: only those, recorded, and nothing is shown that was to be blurred."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.folder import MANIFEST
from curate.exports.formats.parquet import Parquet
from curate.exports.formats.webdataset import WebDataset
from curate.exports.index import INDEX
from curate.exports.pictures import Pictures, box_columns, boxes_of
from curate.exports.settings import ExportSettings
from curate.pixels import decode, encode_jpeg, encode_png

FACES = pa.schema(
    [
        ("face_count", pa.int32()),
        ("objects", pa.list_(pa.struct([("label", pa.string()), ("box", pa.list_(pa.float32()))]))),
    ]
)


def exported(folder, out, pictures, kind=Parquet):
    export(folder.store, kind(), str(out), settings=ExportSettings(pictures=pictures))
    index = {row["uid"]: row for row in pq.read_table(out / INDEX).to_pylist()}
    rows = [row for path in sorted(out.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return rows, index


def test_larger_images_are_made_smaller_and_the_others_keep_their_bytes(folder, tmp_path):
    rows, index = exported(folder, tmp_path / "out", Pictures(max_side_px=20))
    assert {Image.open(io.BytesIO(row["image"]["bytes"])).size for row in rows} == {(20, 13)}
    assert {index[row["uid"]]["export_image_change"] for row in rows} == {"max side 20 px, jpeg 90"}
    assert all(index[row["uid"]]["export_image_size_bytes"] == len(row["image"]["bytes"]) for row in rows)
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["images"]["max_side_px"] == 20
    rows, index = exported(folder, tmp_path / "out", Pictures(max_side_px=30))
    assert all(row["image"]["bytes"] == folder.images[row["uid"]] for row in rows)
    assert {index[row["uid"]]["export_image_change"] for row in rows} == {None}


def test_all_images_are_encoded_anew_when_asked(folder, tmp_path):
    rows, _ = exported(folder, tmp_path / "out", Pictures(encode="webp", quality=80))
    assert {Image.open(io.BytesIO(row["image"]["bytes"])).format for row in rows} == {"WEBP"}
    assert {row["image"]["path"].rpartition(".")[2] for row in rows} == {"webp"}
    settings = ExportSettings(pictures=Pictures(encode="webp"))
    export(folder.store, WebDataset(), str(tmp_path / "tars"), settings=settings)
    assert json.loads((tmp_path / "tars" / MANIFEST).read_text())["image_key"] == "webp"


def test_boxes_are_blurred_and_the_rest_is_left(folder, tmp_path):
    rows, index = exported(folder, tmp_path / "out", Pictures(blur="objects", quality=100))
    for row in rows:
        boxes = [each["box"] for each in row["objects"]]
        change = index[row["uid"]]["export_image_change"]
        if not boxes:
            assert change is None
            assert row["image"]["bytes"] == folder.images[row["uid"]]
            continue
        assert change == f"blurred {len(boxes)}, jpeg 100"
        before, after = (decode(data, 0).astype(int) for data in (folder.images[row["uid"]], row["image"]["bytes"]))
        assert before.shape == after.shape
        assert np.abs(before - after)[16:].mean() < 2  # below every box, and in JPEG blocks of their own
    assert {len(row["objects"]) for row in rows} == {0, 1, 2}


def test_fine_detail_of_a_box_is_gone_for_good():
    """Two images that differ within the blocks of a box, but not in their means, are the same once it is blurred."""
    fine = np.full((100, 100, 3), 128, np.uint8)
    fine[20:70, 20:70] = np.indices((50, 50)).sum(axis=0)[..., None] % 2 * 200 + 28
    flat = fine.copy()
    flat[20:70, 20:70] = 128
    pictures = Pictures(blur="objects", quality=100)
    one, two = (decode(pictures.apply(encode_png(each), [(0.2, 0.2, 0.7, 0.7)])[0], 0) for each in (fine, flat))
    assert np.abs(fine.astype(int) - flat)[30:60, 30:60].mean() > 90
    assert np.abs(one.astype(int) - two)[30:60, 30:60].max() <= 12


def test_without_a_change_an_image_keeps_its_bytes():
    data = encode_jpeg(np.zeros((20, 30, 3), np.uint8), 90)
    assert Pictures(max_side_px=30, blur="x").apply(data, []) == (data, None)


def test_faces_are_what_the_detector_calls_so_and_an_image_nobody_looked_at_is_not_shipped():
    face, cat = {"label": "Human face", "box": [0.0, 0.0, 0.5, 0.5]}, {"label": "cat", "box": [0.5, 0.5, 1.0, 1.0]}
    values = {"face_count": [1, 0, None, 1], "objects": [[face, cat], [cat], None, [cat]]}
    rows = pa.table({name: pa.array(values[name], FACES.field(name).type) for name in FACES.names})
    assert box_columns("faces", FACES) == ("face_count", "objects")
    assert list(boxes_of("faces", rows)) == [[face["box"]], [], None, None]


def test_an_image_whose_boxes_were_not_measured_is_an_error_of_the_sample(own_folder, tmp_path):
    where = "grounded_boxes"
    with pytest.raises(PlanError, match=f"--blur {where}: there is no such column; give faces, or one of objects"):
        exported(own_folder, tmp_path / "out", Pictures(blur=where))
    with pytest.raises(PlanError, match="--blur faces: the run has no column face_count"):
        exported(own_folder, tmp_path / "out", Pictures(blur="faces"))
    with pytest.raises(PlanError, match="--blur caption: it is string, no boxes"):
        exported(own_folder, tmp_path / "out", Pictures(blur="caption"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"max_side_px": 3}, {"quality": 0}, {"encode": "gif"}])
def test_bad_options_are_one_sentence(options):
    with pytest.raises(PlanError, match="give"):
        Pictures(**options)
