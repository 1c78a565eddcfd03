"""A file that several machines write: created only where there is none, replaced only while it is what was read."""

from dataclasses import dataclass

from curate.errors import StoreError
from curate.storage.backend_errors import store_errors
from curate.storage.object_files import ObjectFiles
from curate.storage.store import Store

__all__ = ["SharedFile", "Snapshot"]

# How S3 says that a condition of a write did not hold, or that another conditional write was at work.
REFUSALS = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a file as read, and the version that it had: equal versions have equal content."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A small file on an object store with compare-and-swap, as far as the backend has it.

    S3 and what speaks its protocol: both `create` (If-None-Match) and `replace` (If-Match) are one atomic step of the
    server. A server that ignores these headers gives no guarantee. Google Cloud Storage and Azure: `create` is atomic
    by fsspec's mode="create". All else compares, then writes: between the two, milliseconds apart, another writer is
    not noticed, and its content is overwritten.
    """

    store: Store
    path: str

    def read(self) -> Snapshot | None:
        """Return what the file holds now, None if there is no such file; raises StoreError if it cannot be read."""
        with store_errors("read", self.store.url(self.path)):
            try:
                # The version first: what is read after it is at least as new, so a `replace` that finds the version
                # unchanged replaces what was read.
                version = str(self._files.call("info", self.path)["ETag"]) if self._files.speaks_s3() else ""
                return Snapshot(self._files.read_bytes(self.path), version)
            except FileNotFoundError:
                return None

    def create(self, data: bytes) -> bool:
        """Write the file if there is none; False if there is. `data` must differ from what all others write."""
        try:
            with store_errors("write", self.store.url(self.path)):
                self._files.call("pipe_file", self.path, data, mode="create")
        except StoreError as error:
            return self._wrote(data, error)
        return True

    def replace(self, data: bytes, old: Snapshot) -> bool:
        """Write the file if it still is `old`; False if it is not. `data` must differ from what all others write."""
        if not self._files.speaks_s3():
            if self.read() != old:
                return False
            self.store.write_bytes(self.path, data)
            return True
        try:
            with store_errors("write", self.store.url(self.path)):
                self._files.call("pipe_file", self.path, data, IfMatch=old.version)
        except StoreError as error:
            return self._wrote(data, error)
        return True

    @property
    def _files(self) -> ObjectFiles:
        return ObjectFiles(self.store.root)

    def _wrote(self, data: bytes, error: StoreError) -> bool:
        """Tell whether a refused write was ours after all: a request whose answer is lost is sent again, and refused.

        Raises `error` if it is no refusal.
        """
        cause = error.__cause__
        response = getattr(cause.__cause__, "response", None) if cause else None
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code not in REFUSALS and not isinstance(cause, FileExistsError | FileNotFoundError):
            raise error
        snapshot = self.read()
        return snapshot is not None and snapshot.data == data
