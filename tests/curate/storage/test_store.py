"""Files appear whole or not at all."""

import contextlib
import importlib

import fsspec
import pyarrow as pa
import pytest

from curate.errors import StoreError
from curate.storage.backend_errors import ERRORS, backend_errors
from curate.storage.local_files import LocalFiles
from curate.storage.object_files import ObjectFiles
from curate.storage.store import Store


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    return Store(str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}")


def test_what_is_written_is_read_back(store):
    store.write_bytes("a/b.bin", b"hello")
    store.write_table("a/t.parquet", pa.table({"x": [1, 2]}))

    assert store.read_bytes("a/b.bin") == b"hello"
    assert store.read_table("a/t.parquet").to_pydict() == {"x": [1, 2]}
    assert store.list("a") == ["b.bin", "t.parquet"]
    assert store.exists("a/b.bin")


def test_a_failed_write_leaves_nothing_and_keeps_the_old_file(store):
    store.write_bytes("f", b"old")

    def fall_over():
        with store.open_write("f") as stream:
            stream.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fall_over()

    assert store.read_bytes("f") == b"old"
    assert store.list("") == ["f"]


def test_equal_tables_give_equal_bytes(store):
    for name in ("a", "b"):
        store.write_table(name, pa.table({"x": ["one", None], "y": [[1.5], []]}))

    assert store.read_bytes("a") == store.read_bytes("b")


def test_columns_not_in_the_file_are_left_out(store):
    store.write_table("t", pa.table({"x": [1], "y": [2]}))

    assert store.read_table("t", ["y", "z"]).column_names == ["y"]


def test_a_damaged_table_says_which_file_and_what_to_do(store):
    store.write_table("t", pa.table({"x": list(range(1000))}))
    store.write_bytes("t", store.read_bytes("t")[:-20])

    with pytest.raises(StoreError, match=r"t is damaged .*--repair` removes damaged cells, then run again"):
        store.read_table("t")


def test_a_missing_file_is_one_sentence_and_a_missing_folder_is_empty(store):
    with pytest.raises(StoreError, match=r"cannot read .*nothing"):
        store.read_bytes("nothing")

    assert store.list("nowhere") == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"cannot write .*file/sub/probe"):
        Store(str(tmp_path / "file" / "sub")).check_writable()


def test_removing_twice_is_fine(store):
    store.write_bytes("f", b"")
    store.remove("f")
    store.remove("f")

    assert not store.exists("f")


@pytest.mark.parametrize("bug", [TypeError("a bug"), IndexError("a bug"), KeyError("a bug")])
def test_a_bug_in_the_store_surfaces_as_itself(store, monkeypatch, bug):
    def fail(*_):
        raise bug

    for files in (LocalFiles, ObjectFiles):
        monkeypatch.setattr(files, "read_bytes", fail)
        monkeypatch.setattr(files, "list", fail)
    with pytest.raises(type(bug), match="a bug"):
        store.read_bytes("f")
    with pytest.raises(type(bug), match="a bug"):
        store.list("")


def test_an_error_of_the_caller_inside_a_write_stays_what_it_is(store):
    def write():
        with store.open_write("f"):
            raise ValueError("of the caller")

    with pytest.raises(ValueError, match="of the caller"):
        write()
    assert not store.exists("f")


def test_the_listed_backend_errors_exist_where_their_backend_is_installed():
    for module, names in ERRORS.items():
        with contextlib.suppress(ModuleNotFoundError):
            loaded = importlib.import_module(module)
            assert all(issubclass(getattr(loaded, name), Exception) for name in names), module
    assert OSError in backend_errors()
    assert not {TypeError, IndexError, KeyError, ValueError, AttributeError} & set(backend_errors())


def test_a_bad_address_of_a_server_is_one_sentence(monkeypatch, bucket):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not an address")
    monkeypatch.setattr(fsspec.get_filesystem_class("s3"), "_cache", {})
    with pytest.raises(StoreError, match=r"cannot read s3://elsewhere/x: .*not an address"):
        Store("s3://elsewhere").read_bytes("x")
