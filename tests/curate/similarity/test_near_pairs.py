"""Laws of the second look: trees say what they were fitted to say, and maps are those that were made."""

import json

import numpy as np
import pytest
from PIL import Image

from curate.experts.image_fingerprint import content_box, fingerprint
from curate.similarity.alignment import start_of, turned
from curate.similarity.fingerprints import Fingerprints, faces
from curate.similarity.lookup import Candidates
from curate.similarity.near_pairs import FITTED, NearPairs, numbers_of, of_pictures
from curate.similarity.shared_detail import NAMES
from curate.similarity.trees import read_trees
from tests.support.variants import picture


def prints(*images):
    rows = [fingerprint(np.asarray(image)) for image in images]
    data = np.frombuffer(b"".join(data for data, _ in rows), np.uint8).reshape(len(rows), -1)
    return data, np.array([aspect for _, aspect in rows], np.float32)


def test_a_row_goes_down_each_tree_by_its_numbers_and_the_leaves_are_added(tmp_path):
    nodes = {"feature": [1, -1, 0, -1, -1, -1], "threshold": [0.5, 0, 2.0, 0, 0, 0], "left": [1, 0, 3, 0, 0, 0]}
    nodes |= {"right": [2, 0, 4, 0, 0, 0], "value": [0, 10, 0, 20, 30, 1], "roots": [0, 5], "bias": -4}
    (tmp_path / "t.json").write_text(json.dumps({"names": ["a", "b"], **nodes}))
    trees = read_trees(tmp_path / "t.json", ("a", "b"))
    rows = np.array([[9, 0.5], [2, 0.6], [2.1, 0.6]], np.float32)
    assert trees(rows).tolist() == [7, 17, 27]
    assert trees(rows[:0]).tolist() == []
    with pytest.raises(ValueError, match="fit it again"):
        read_trees(tmp_path / "t.json", ("a", "c"))


def test_the_fitted_trees_are_of_todays_numbers_and_end_in_leaves():
    trees = read_trees(FITTED, NAMES)
    inner = trees.feature >= 0
    assert trees.feature.max() < len(NAMES)
    assert (trees.left[inner] > np.flatnonzero(inner)).all()
    assert (trees.right[inner] > np.flatnonzero(inner)).all()


def test_borders_in_borders_are_one_box_and_the_whole_is_a_face_too():
    inside = np.asarray(picture(1, 120, 90))
    white = np.pad(inside, ((12, 12), (12, 12), (0, 0)), constant_values=250)
    framed = np.pad(white, ((6, 6), (6, 6), (0, 0)), constant_values=20)
    assert content_box(framed) == (18, 18, 138, 108)
    data, _ = prints(Image.fromarray(framed), picture(1))
    both, owners = faces(data)
    assert owners.tolist() == [0, 1, 0]
    assert both[2, :4].tolist() == [0, 0, 255, 255]
    assert (both[2, 4:] == data[0, 4:]).all()


def test_what_is_inside_a_frame_is_laid_over_the_picture_without_one():
    image = picture(2, 200, 150)
    framed = Image.new("RGB", (250, 200), (0, 0, 0))
    framed.paste(image, (25, 25))
    pair = Fingerprints.of_bytes(*prints(framed, image))
    one = np.zeros(1, np.int64)
    rows, numbers = numbers_of(pair.take(one), pair.take(one + 1), Candidates(one, one, one, one))
    seen = dict(zip(NAMES, numbers[0].tolist(), strict=True))
    assert rows.tolist() == [0]
    assert seen["agreement"] > 0.85
    assert np.exp(seen["area"]) == pytest.approx(0.8 * 0.75, rel=0.05)
    assert seen["stretch"] < 0.03


def test_a_turn_keeps_the_middle_and_right_angles_of_pictures_of_any_shape():
    maps = turned(np.array([3, -40], np.float32), np.array([2.0, 0.5], np.float32))
    middle = maps[:, 0] + 0.5 * (maps[:, 1] + maps[:, 2]), maps[:, 3] + 0.5 * (maps[:, 4] + maps[:, 5])
    assert np.allclose(middle, 0.5, atol=1e-6)
    boxes = np.array([[0, 0, 1, 1]] * 2, np.float32)
    same = np.array([[0, 1, 0, 0, 0, 1]] * 2, np.float32)
    none = np.zeros(2, np.float32)
    assert np.allclose(start_of(same, none, none + 1, (boxes, boxes)), same)


def test_of_several_faces_of_a_pair_the_surest_counts():
    found = NearPairs(np.array([0, 1, 2]), np.array([3, 0, 0]), np.array([1.0, 3.0, 2.0], np.float32))
    pairs = of_pictures(found, np.array([5, 5, 6]), np.array([7, 8, 8, 7]))
    assert list(zip(pairs.query.tolist(), pairs.row.tolist(), pairs.score.tolist(), strict=True)) == [
        (5, 7, 3.0),
        (6, 7, 2.0),
    ]
