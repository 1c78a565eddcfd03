"""A small finished dataset folder, written by hand: two source tars, three experts, a filter, verdicts."""

import base64
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from curate.dataset.cells import Cells, Outcomes, measured_table
from curate.dataset.manifest import Manifest, StageRecord, save
from curate.dataset.samples import sample_table
from curate.errors import SampleError
from curate.sources.shard import Member, Shard, SourceSample
from curate.storage.store import Store
from schemas.verdict import VERDICT

FACTS, CLIP, CAPTIONS = "image_facts-v1-00000001", "clip-v1-00000002", "dense_caption-v1-00000003"
PAIRS = "preference_pair-v1-00000004"
VERDICT_ID = "verdict-v1-0000000a"
ADDS = {
    FACTS: pa.schema([("image_format", pa.string()), ("image_sha256", pa.string()), ("image_phash", pa.uint64())]),
    CLIP: pa.schema([("clip_score", pa.float32()), ("clip_embedding", pa.list_(pa.float16()))]),
    CAPTIONS: pa.schema([("caption", pa.string()), ("caption_words", pa.int32()), ("objects", pa.list_(pa.struct(
        [("label", pa.string()), ("box", pa.list_(pa.float32()))]
    )))]),
    PAIRS: pa.schema([(name, pa.string()) for name in ("pair_prompt", "pair_chosen", "pair_rejected")]),
}  # fmt: skip
FILTER = "MinClipScore(min_score=0.3)"


@dataclass(frozen=True)
class Folder:
    """The dataset and the bytes that went in: uid -> encoded image."""

    store: Store
    shards: list[Shard]
    images: dict[str, bytes]


def picture(seed: int, format_: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format_)
    return stream.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> dict[str, int]:
    """Write a tar with the standard library; return each member's content offset."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with tarfile.open(path) as tar:
        return {member.name: member.offset_data for member in tar}


def make_dataset(root: Path, samples: int = 6, formats: tuple[str, ...] = ("JPEG",), captions: bool = True) -> Folder:
    """Write a dataset of two shards with `samples` each.

    Row i of a shard: clip_score i/10 as measured (kept from 0.3 on); row 0 has no image and is an error of the
    source; row 1 fails in CLIP. So rows 3 and up are kept; rows 4 and up have a preference pair. Every third sample has
    a `cls` member.
    """
    (root / "source").mkdir(parents=True)
    folder = Folder(Store(str(root / "dataset")), [], {})
    stages = [FACTS, CLIP, *([CAPTIONS, PAIRS] if captions else [])]
    for n in range(2):
        _add_shard(folder, root / "source" / f"{n:05}.tar", n, (samples, formats, stages))
    write_run(folder, stages)
    return folder


def write_run(folder: Folder, stages: list[str], run_id: str = "000001-quickstart-ab12cd34", **more) -> None:
    described = [StageRecord(s.partition("-")[0], "expert", s, s, _encoded(ADDS[s])) for s in stages]
    described.insert(2, StageRecord("min_clip_score", "filter", FILTER))
    settings = {"verdict": VERDICT_ID, "limit": None, "status": "finished"} | more
    manifest = Manifest(
        id=run_id, recipe="quickstart", parameters={}, inputs=[], sample_stage="sample-v1", stages=described,
        code="0" * 16, versions={}, **settings,
    )  # fmt: skip
    save(folder.store, manifest, folder.shards)


def _encoded(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def facts(i: int, data: bytes) -> dict:
    format_ = Image.open(io.BytesIO(data)).format.lower() if data else None
    return {
        "image_format": format_,
        "image_sha256": hashlib.sha256(data).hexdigest(),
        "image_phash": 2**63 + i,
        "clip_score": i / 10,
        "clip_embedding": np.full(16, i / 16, dtype=np.float16),
        "caption": f"A dense caption of picture {i}.",
        "caption_words": 6,
        "pair_prompt": "Describe." if i > 3 else None,
        "pair_chosen": f"chosen {i}" if i > 3 else None,
        "pair_rejected": f"rejected {i}" if i > 3 else None,
        "objects": [{"label": "cat", "box": [0.1, 0.2, 0.3, 0.4]}] * (i % 3),
    }


def _add_shard(folder: Folder, path: Path, n: int, plan: tuple[int, tuple[str, ...], list[str]]) -> None:
    count, formats, stages = plan
    members: dict[str, bytes] = {}
    for i in range(count):
        key, format_ = f"{n:05}{i:04}", formats[i % len(formats)]
        if i:
            members[f"{key}.{format_.lower().replace('jpeg', 'jpg')}"] = picture(1000 * n + i, format_)
        members[f"{key}.txt"] = f"alt text {i} \u202e<b>\x1b[31m".encode()
        if i % 3 == 0:
            members[f"{key}.cls"] = str(i).encode()
    offsets = write_tar(path, members)
    shard = Shard(f"source.{n:05}-{n:08x}", "tar", str(path), path.stat().st_size)
    samples = [_sample(f"{n:05}{i:04}", members, offsets) for i in range(count)]
    table = sample_table(shard.name, samples, 0, {})
    columns = Cells(folder.store)
    folder.store.write_table(columns.path("sample-v1", shard.name), table)
    folder.shards.append(shard)
    data = [sample.image or b"" for sample in samples]
    folder.images.update(zip(table["uid"].to_pylist(), data, strict=True))
    values = [facts(i, payload) for i, payload in enumerate(data)]
    add_cell(folder, FACTS, shard, (list(range(1, count)), values))
    failed = {1: SampleError("image_truncated", "the picture ends early")}
    add_cell(folder, CLIP, shard, (list(range(1, count)), values), failed)
    if CAPTIONS in stages:
        add_cell(folder, CAPTIONS, shard, (list(range(3, count)), values))
        add_cell(folder, PAIRS, shard, (list(range(3, count)), values))
    write_verdict(folder, shard, table)


def add_cell(
    folder: Folder, stage: str, shard: Shard, what: tuple[list[int], list[dict]], failed=None, attempt=1
) -> None:
    """Add measurements of some rows: the first file covers all samples, later ones are additions."""
    rows, values = what
    columns, failed = Cells(folder.store), failed or {}
    sample = columns.read("sample-v1", shard.name)
    adds = ADDS[stage]
    outcomes = Outcomes([failed.get(row) for row in rows], np.full(len(rows), attempt, dtype=np.int16))
    data = {
        field.name: pa.array([None if row in failed else values[row][field.name] for row in rows], field.type)
        for field in adds
    }
    uids = sample["uid"].take(pa.array(rows)).combine_chunks()
    columns.add(stage, shard.name, measured_table(adds, np.array(rows, np.int32), uids, data, outcomes), sample)


def write_verdict(folder: Folder, shard: Shard, sample: pa.Table) -> None:
    rows = sample["row"].to_pylist()
    verdict = {
        "row": rows,
        "uid": sample["uid"].to_pylist(),
        "dropped_by": [FILTER if row == 2 else None for row in rows],
        "error": ["sample: missing_image", "clip: image_truncated", *[None] * (len(rows) - 2)],
    }
    path = Cells(folder.store).path(VERDICT_ID, shard.name)
    folder.store.write_table(path, pa.table(verdict, schema=VERDICT))


def _sample(key: str, members: dict[str, bytes], offsets: dict[str, int]) -> SourceSample:
    own = {name: data for name, data in members.items() if name.startswith(key)}
    image = next((name for name in own if not name.endswith((".txt", ".cls"))), None)
    return SourceSample(
        key,
        image,
        own.get(image),
        own[f"{key}.txt"].decode(),
        members=tuple(Member(name, offsets[name], len(data)) for name, data in own.items()),
        trouble=None if image else SampleError("missing_image", "no image member"),
    )
