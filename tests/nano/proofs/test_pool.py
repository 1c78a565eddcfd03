"""The pool of the proofs has a third of captions, its truth tells which, and its scenes are in no other set."""

import json
import tarfile

from nano.proofs.pool import held_out, keys_of_captions, write_held_out, write_pool
from nano.world.annotation import Scene
from nano.world.texts import mentioned


def truth(folder):
    return [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]


def texts(folder):
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar.getmembers():
                if member.name.endswith(".txt"):
                    found[member.name.removesuffix(".txt")] = tar.extractfile(member).read().decode()
    return found


def test_a_third_of_the_texts_are_captions_and_the_truth_names_them(tmp_path):
    write_pool(tmp_path, 150)
    keys, said = keys_of_captions(tmp_path), texts(tmp_path)
    assert 0.2 < len(keys) / 150 < 0.45
    scenes = {line["key"]: Scene.from_dict(line["scene"]) for line in truth(tmp_path)}
    assert len(scenes) == 150
    for key in keys:
        assert mentioned(said[key]) == set(scenes[key].counts())


def test_texts_from_elsewhere_mostly_name_what_is_not_there(tmp_path):
    write_pool(tmp_path, 150)
    said = texts(tmp_path)
    away = [line for line in truth(tmp_path) if line["alt_kind"] == "elsewhere"]
    wrong = [line for line in away if mentioned(said[line["key"]]) - set(Scene.from_dict(line["scene"]).counts())]
    assert 0.3 < len(away) / 150 < 0.5
    assert len(wrong) > 0.6 * len(away)


def test_the_same_pool_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_pool(tmp_path / name, 5)
    (first, second) = ((tmp_path / name / "world-000000.tar").read_bytes() for name in ("a", "b"))
    assert first == second


def test_held_out_captions_tell_all_objects_and_no_sign(tmp_path):
    write_held_out(tmp_path, 12)
    said = texts(tmp_path)
    for line, (_, scene) in zip(truth(tmp_path), held_out(range(12)), strict=True):
        assert mentioned(said[line["key"]]) == set(scene.counts())
        assert "sign" not in said[line["key"]]
        assert Scene.from_dict(line["scene"]) == scene
