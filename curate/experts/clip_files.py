"""Find the files of an open_clip model: its config, the repository of its weights, that of its tokenizer."""

import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, Final

from curate.errors import PlanError
from curate.models.cache import cached
from curate.models.checkpoints import check_hub_id, check_open_clip
from curate.models.known import find_clip
from curate.models.near import did_you_mean
from curate.models.needed import OPEN_CLIP, Needed
from curate.models.package_lists import clip_models, clip_tags
from curate.models.weights import Weights

__all__ = ["HUB", "check_model", "config_file", "needed_files", "open_clip_tag", "weights_file", "with_local_texts"]

HUB: Final = "hf-hub:"


def config_file(architecture: Weights) -> Path | None:
    """Return the model's JSON: the user's, or the one in the open_clip package; None if there is none."""
    if architecture.is_local():
        return architecture.path()
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model_configs" / f"{architecture.where.replace('/', '-')}.json"
    return path if path.is_file() else None


def open_clip_tag(architecture: Weights, weights: Weights) -> dict[str, Any] | None:
    """Return what open_clip says of a pretrained tag of a model, None if it has no such tag."""
    tags = clip_tags().get(architecture.where.replace("/", "-"), {})
    entry = tags.get(weights.where.lower().replace("-", "_"))
    return dict(entry) if entry else None


def needed_files(architecture: Weights, weights: Weights) -> tuple[Needed, ...]:
    """Return what a model needs of files: its weights, and what its text tower has on a hub, a tokenizer for one."""
    if architecture.where.startswith(HUB):
        return (Needed(Weights(architecture.where.removeprefix(HUB), architecture.revision), "open_clip"),)
    return (*_weights(architecture, weights), *_texts(architecture))


def weights_file(needed: Needed) -> Path:
    """Return the file of a model's weights on this machine; raises PlanError if it is not here."""
    folder = needed.weights.path()
    file = next((folder / name for name in needed.one_of if (folder / name).is_file()), None)
    if file is None:
        raise PlanError(f"{needed.weights}: {folder} has none of {', '.join(needed.one_of)}")
    return file


def check_model(architecture: Weights, weights: Weights) -> None:
    """Raise PlanError if open_clip knows no such model or tag, or if a local file is of another model."""
    if architecture.where.startswith(HUB):
        check_hub_id("Clip", Weights(architecture.where.removeprefix(HUB)))
        return
    if architecture.where.startswith("local-dir:"):
        return
    config, name = config_file(architecture), architecture.where
    if config is None:
        near = did_you_mean(name, clip_models())
        raise PlanError(f"Clip: open_clip has no model {name!r}, and no such config file exists{near}")
    content = _read(config)
    if weights.is_local():
        check_open_clip(weights.path(), config)
        return
    entry = open_clip_tag(architecture, weights)
    if entry is None:
        tags = sorted(clip_tags().get(name, ()))
        known = f"; its tags are {', '.join(tags)}" if tags else "; it has none, give a file"
        raise PlanError(
            f"Clip: {name} has no pretrained tag {weights.where!r}{did_you_mean(weights.where, tags)}{known}"
        )
    if entry.get("quick_gelu") and not content.get("quick_gelu"):
        raise PlanError(
            f"Clip: {weights.where} of {name} was trained with QuickGELU, which this config has not; "
            f"give the model {name}-quickgelu"
        )


def with_local_texts(architecture: Weights) -> Path | None:
    """Return a copy of a model's config that names its text tower's files on this machine; None if it has none there.

    Without it open_clip asks the hub for the newest tokenizer of that name.
    """
    config, texts = config_file(architecture), _texts(architecture)
    if config is None or not texts:
        return None
    content = _read(config)
    for needed in texts:
        for key in ("hf_tokenizer_name", "hf_model_name"):
            if content["text_cfg"].get(key) == needed.weights.where:
                content["text_cfg"][key] = str(needed.weights.path())
    digest = "-".join(needed.weights.revision[:12] for needed in texts)
    text = json.dumps(content, indent=1)
    content_digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    folder = cached(
        f"clip/{config.stem}-{digest}-{content_digest}", functools.partial(_write, name=config.name, text=text)
    )
    return folder / config.name


def _write(folder: Path, *, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def _weights(architecture: Weights, weights: Weights) -> tuple[Needed, ...]:
    if weights.is_local():
        return (Needed(weights, "file"),)
    known = find_clip(architecture.where, weights.where)
    repository = (open_clip_tag(architecture, weights) or {}).get("hf_hub", f"{known.name}/" if known else "")
    hub, _, file = str(repository).rpartition("/")
    if not hub:
        return ()
    safe = (f"{file.rpartition('.')[0]}.safetensors", file) if file else OPEN_CLIP
    return (Needed(Weights(hub, weights.revision), "open_clip", safe if file else ()),)


def _texts(architecture: Weights) -> tuple[Needed, ...]:
    config = config_file(architecture)
    texts = _read(config).get("text_cfg", {}) if config else {}
    names = dict.fromkeys(
        str(texts[key]) for key in ("hf_tokenizer_name", "hf_model_name") if "/" in texts.get(key, "")
    )
    return tuple(Needed(Weights(name), "tokenizer") for name in names)


def _read(config: Path) -> dict[str, Any]:
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        assert isinstance(content["vision_cfg"], dict)
    except (OSError, ValueError, LookupError, TypeError, AssertionError) as error:
        raise PlanError(f"Clip: {config} is not an open_clip model config: it has no vision_cfg") from error
    return dict(content)
