"""Small real tars for tests of the core: those of the fault runs."""

from faults.files import small_jpeg as image
from faults.files import write_shard, write_tar

__all__ = ["image", "write_shard", "write_tar"]
