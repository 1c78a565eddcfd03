"""What the user of an export may choose."""

import re
from dataclasses import dataclass

from curate.errors import PlanError

__all__ = ["ExportOptions"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How an export is cut into files and what is in them; Parquet formats heed only `name` and `samples_per_shard`.

    `text` is the column of the `txt` member: by default the drawn caption, the final one, the caption or the alt text,
    the first of them that the run has; null gives an empty member. `keep_members` are extensions of other members of
    the source ("seg.png") to copy; a sample without one gets an empty member. `image_key` names the image's member.
    `sft` is the path of training rows for `described_sft`, `sft_join` the column that names their samples: `key` or
    `uid`.
    """

    name: str = "samples"
    samples_per_shard: int = 1_000  # what open_clip's README advises for tars
    bytes_per_shard: int | None = None
    image_key: str | None = None
    text: str | None = None
    keep_members: tuple[str, ...] = ()
    sft: str | None = None
    sft_join: str = "key"

    def __post_init__(self) -> None:
        if self.samples_per_shard < 1 or (self.bytes_per_shard is not None and self.bytes_per_shard < 1):
            raise PlanError("samples_per_shard and bytes_per_shard must be at least 1")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            raise PlanError(f"the name of the files {self.name!r} may have letters, digits, - and _ only")
        keys = [*filter(None, [self.image_key]), "txt", "json", *self.keep_members]
        if bad := [key for key in keys if not key.replace(".", "").isalnum() or key != key.lower()]:
            raise PlanError(f"member names {bad} are not lower-case extensions such as jpg or seg.png")
        if len(set(keys)) < len(keys):
            raise PlanError(f"member names {keys} are not all different")
