import pyarrow as pa
import pytest

from curate.errors import PlanError
from curate.sources import count, fetch, find_shards, scan
from tests.support.images import encode, jpeg
from tests.support.images import image as rgb

JPEG, PNG = jpeg(), encode(rgb(), "PNG")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "images"

    def write(files):
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return root

    return write


def read(root):
    samples = []
    for shard in find_shards([str(root)]):
        here = list(scan(shard))
        assert count(shard) == len(here)
        table = pa.table(
            {"row": range(len(here)), "image_member": pa.array([s.image_member for s in here], pa.string())}
        )
        assert [b if isinstance(b, bytes) else None for b in fetch(shard, table)] == [s.image for s in here]
        samples += here
    return samples


def test_images_with_text_and_metadata_beside_them(folder):
    files = {"b/two.v1.PNG": PNG, "one.jpg": JPEG, "one.txt": b"a cat", "one.json": b'{"x": 1}', "notes.md": b"-"}
    files |= {"b/two.v1.json": b'{"caption": "two"}', "orphan.txt": b"no image"}
    two, one = read(folder(files))
    assert (one.key, one.image_member, one.image, one.alt_text, one.metadata) == (
        "one",
        "one.jpg",
        JPEG,
        "a cat",
        '{"x": 1}',
    )
    assert [(m.name, m.offset) for m in one.members] == [("one.jpg", -1), ("one.txt", -1), ("one.json", -1)]
    assert (two.key, two.image, two.alt_text) == ("b/two.v1", PNG, "two")


def test_images_that_differ_only_in_extension_are_one_sample(folder):
    two, one = read(folder({"a.png": PNG, "a.jpg": JPEG, "a-b.gif": b"x"}))
    assert (one.key, two.key, two.image_member) == ("a-b", "a", "a.jpg")
    assert [m.name for m in two.members] == ["a.jpg", "a.png"]


def test_an_empty_image_is_an_error_and_a_vanished_one_too(folder):
    root = folder({"a.jpg": b"", "b.jpg": JPEG, "c.jpg": JPEG})
    (shard,) = find_shards([str(root)])
    (root / "b.jpg").unlink()
    assert [s.error and s.error.code for s in scan(shard)] == ["empty_image", "missing_image", None]


def test_hidden_files_and_links_out_of_the_folder_are_left_out(folder, tmp_path):
    root = folder({"a.jpg": JPEG, ".hidden.jpg": JPEG, ".git/x.jpg": JPEG})
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "in.jpg").symlink_to(root / "a.jpg")
    (root / "loop").symlink_to(root)
    assert [s.key for s in read(root)] == ["a", "in"]
    (root / "a.jpg").unlink()
    (root / "in.jpg").unlink()
    with pytest.raises(PlanError, match="leave the folder"):
        find_shards([str(root)])


def test_a_large_folder_is_cut_into_chunks_of_a_thousand_samples(folder):
    root = folder({f"{i:04}.jpg": b"x" for i in range(2_001)} | {"0999.png": b"y"})
    shards = find_shards([str(root)])
    assert [count(s) for s in shards] == [1_000, 1_000, 1]
    assert [len(s.files) for s in shards] == [1_001, 1_000, 1]
    assert [s.name.rpartition("-")[0] for s in shards] == [f"images.{i:05}" for i in range(3)]
    names = [s.name for s in shards]
    (root / "2000.jpg").write_bytes(b"longer")
    after = [s.name for s in find_shards([str(root)])]
    assert (after[:2], after[2] != names[2]) == (names[:2], True)


def test_a_single_image_and_a_glob_of_images_are_folders_too(folder):
    root = folder({"a.jpg": JPEG, "b.jpg": JPEG, "c.png": PNG})
    assert [s.key for s in read(root / "a.jpg")] == ["a"]
    assert [s.key for s in read(root / "*.jpg")] == ["a", "b"]
