"""A fetched model is whole and checked, or not there; what is there is not fetched again."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from curate.models.fetch import fetch
from curate.models.hub import HubError, ask_hub
from curate.models.needed import Needed
from curate.models.places import INDEX, find_model, folder_of, read_index
from curate.models.weights import Weights
from tests.support.hub import commit_of, local_hub

LARGE = bytes(range(256)) * 400
FILES = {
    "config.json": b'{"architectures": ["M"]}',
    "model.safetensors": LARGE,
    "pytorch_model.bin": LARGE,
    "onnx/model.onnx": LARGE,
    "README.md": b"read me",
    "tokenizer/vocab.txt": b"a b",
}
MODEL = Needed(Weights("org/model"))


@pytest.fixture
def hub(monkeypatch):
    with local_hub({"org/model": FILES}, {"v8.4.0": {"yolo11s.pt": LARGE, "yolo11x.pt": b"mine"}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("CURATE_ULTRALYTICS_URL", f"{hub.url}/releases")
        yield hub


def get(root, needed=MODEL):
    told: list[str] = []
    return fetch(needed, root, told.append), told


def test_a_model_comes_with_what_its_loaders_read_and_an_index_of_it(hub, tmp_path):
    index, _ = get(tmp_path)

    folder = folder_of(tmp_path, "org/model", commit_of(FILES))
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert held == {"config.json", "model.safetensors", "tokenizer/vocab.txt", INDEX}
    assert read_index(folder) == index
    assert (index.name, index.revision, index.licence, index.asked) == (
        "org/model", commit_of(FILES), "Apache-2.0", "main",
    )  # fmt: skip
    (weights,) = (file for file in index.files if file.path == "model.safetensors")
    assert (weights.bytes, weights.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())


@pytest.mark.parametrize(
    ("part", "files", "fetched"),
    [
        ("tokenizer", (), {"config.json"}),
        ("open_clip", ("model.safetensors",), {"config.json", "model.safetensors"}),
        ("open_clip", ("model.pt", "pytorch_model.bin"), {"config.json", "pytorch_model.bin"}),
        ("file", (), set(FILES)),
    ],
)
def test_of_a_repository_only_the_needed_part_is_fetched(hub, tmp_path, part, files, fetched):
    index, _ = get(tmp_path, Needed(Weights("org/model"), part, files))
    assert {file.path for file in index.files} == fetched


def test_two_parts_of_one_repository_share_its_folder(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path))
    weights = Weights("org/model", commit_of(FILES))
    whole, tokens = Needed(weights), Needed(weights, "tokenizer")

    get(tmp_path, tokens)
    assert (tokens.found() is not None, whole.found()) == (True, None)
    get(tmp_path, whole)
    assert tokens.found() == whole.found() == folder_of(tmp_path, "org/model", commit_of(FILES))


def test_a_second_fetch_asks_the_hub_for_no_file(hub, tmp_path):
    pinned = Needed(Weights("org/model", commit_of(FILES)))
    first, _ = get(tmp_path, pinned)
    asked = sum(hub.asked.values())
    second, told = get(tmp_path, pinned)

    assert second == first
    assert sum(hub.asked.values()) == asked
    assert "there" in told[-1]


@pytest.mark.parametrize("damage", [LARGE[:-1], b"\1" + LARGE[1:], None])
def test_a_damaged_or_missing_file_is_noticed_and_alone_fetched_again(hub, tmp_path, damage):
    pinned = Needed(Weights("org/model", commit_of(FILES)))
    get(tmp_path, pinned)
    path = folder_of(tmp_path, "org/model", commit_of(FILES)) / "model.safetensors"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    sent = hub.sent
    _, told = get(tmp_path, pinned)

    assert path.read_bytes() == LARGE
    assert any("model.safetensors is missing or damaged" in line for line in told)
    assert hub.sent - sent == len(LARGE)


def test_a_broken_connection_goes_on_where_it_broke(hub, tmp_path):
    hub.cut["model.safetensors"] = 30_000
    get(tmp_path)

    assert hub.sent == sum(len(FILES[path]) for path in ("config.json", "model.safetensors", "tokenizer/vocab.txt"))


def test_a_killed_fetch_leaves_no_model_and_the_next_goes_on_from_its_half_file(hub, tmp_path):
    folder = folder_of(tmp_path, "org/model", commit_of(FILES))
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(LARGE[:40_000])
    assert find_model("org/model", commit_of(FILES)) is None
    get(tmp_path)

    assert (folder / "model.safetensors").read_bytes() == LARGE
    assert hub.sent < len(LARGE)


def test_a_half_file_of_something_else_is_thrown_away(hub, tmp_path):
    folder = folder_of(tmp_path, "org/model", commit_of(FILES))
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(b"other" * 1000)
    get(tmp_path)

    assert (folder / "model.safetensors").read_bytes() == LARGE


def test_a_hub_that_sends_other_bytes_than_it_announces_is_an_error_and_no_model(hub, tmp_path, monkeypatch):
    listing = ask_hub("org/model", "")
    hub.commits = {"org/model": listing.revision}
    monkeypatch.setitem(FILES, "model.safetensors", LARGE[::-1])
    monkeypatch.setattr("curate.models.fetch.ask_hub", lambda name, revision: listing)
    with pytest.raises(HubError, match=r"model\.safetensors is not what its hub says"):
        get(tmp_path)
    assert read_index(folder_of(tmp_path, "org/model", listing.revision)) is None


def test_files_of_ultralytics_come_from_a_release(hub, tmp_path):
    index, _ = get(tmp_path, Needed(Weights("yolo11s.pt"), "file", library="ultralytics"))

    assert (index.revision, index.licence) == ("v8.4.0", "AGPL-3.0")
    assert (folder_of(tmp_path, "yolo11s.pt", "v8.4.0") / "yolo11s.pt").read_bytes() == LARGE


def test_where_ultralytics_itself_publishes_a_known_file_has_a_known_digest(monkeypatch):
    monkeypatch.delenv("CURATE_ULTRALYTICS_URL", raising=False)
    (file,) = ask_hub("yolo11x.pt", "").files
    assert file.url == "https://github.com/ultralytics/assets/releases/download/v8.4.0/yolo11x.pt"
    assert file.sha256 == "7bc158aa95c0ebfdd87f70f01653c1131b93e92522dbe15c228bcd742e773a24"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("org/other", "has no org/other at revision main"),
        ("org/model@0123abc", "has no org/model at revision 0123abc"),
        ("Qwen/Qwen3-VL-8B-Instuct@main", "did you mean Qwen/Qwen3-VL-8B-Instruct"),
        ("yolo11n.pt", "has no releases/v8.4.0/yolo11n.pt"),
    ],
)
def test_what_a_hub_has_not_is_one_sentence_with_its_name(hub, tmp_path, name, words):
    with pytest.raises(HubError, match=words):
        get(tmp_path, Needed(Weights(name), "file"))


def test_a_model_behind_a_licence_says_how_to_accept_it(hub, tmp_path, monkeypatch):
    hub.private = frozenset({"org/model"})
    with pytest.raises(HubError, match="accept its licence on its page and set HF_TOKEN"):
        get(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    get(tmp_path)


def test_a_hub_that_does_not_answer_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match=r"127\.0\.0\.1:9 does not answer \(.*refused"):
        get(tmp_path)


def test_a_hub_that_is_silent_is_given_up(tmp_path, monkeypatch):
    silence = threading.Event()
    monkeypatch.setattr("curate.models.hub.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("curate.models.hub._ask_huggingface", lambda name, revision: silence.wait(10))
    with pytest.raises(HubError, match="does not answer within"):
        get(tmp_path)
    silence.set()


def test_a_hub_that_names_files_outside_the_folder_is_refused(tmp_path, monkeypatch):
    with local_hub({"org/model": {"../escaped.json": b"{}"}}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(HubError, match="outside the model's folder"):
            get(tmp_path)


def test_an_index_that_cannot_be_read_counts_as_no_model(hub, tmp_path):
    get(tmp_path)
    folder = folder_of(tmp_path, "org/model", commit_of(FILES))
    for wrong in ("{", json.dumps({"name": "org/model"}), "[]"):
        (folder / INDEX).write_text(wrong)
        assert read_index(folder) is None


def test_two_fetches_at_once_send_each_file_once(hub, tmp_path):
    pinned = Needed(Weights("org/model", commit_of(FILES)))
    with ThreadPoolExecutor(4) as pool:
        indices = list(pool.map(lambda _: get(tmp_path, pinned)[0], range(4)))

    assert all(index == indices[0] for index in indices)
    assert hub.sent == sum(file.bytes for file in indices[0].files)


def test_a_token_is_not_sent_to_where_a_hub_redirects(hub, tmp_path, monkeypatch):
    """Release files are on another host than the hub as far as the token goes: its address is not HF_ENDPOINT."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with local_hub({"org/model": FILES}, redirect=hub.url, private=frozenset({"org/model"})) as front:
        monkeypatch.setenv("HF_ENDPOINT", front.url)
        get(tmp_path)
        assert front.tokens == {"Bearer hf_secret"}
    assert hub.tokens == set()
    assert hub.sent > 0
