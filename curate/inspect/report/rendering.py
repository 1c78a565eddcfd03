"""Pages from templates, in which strangers' texts are data."""

from importlib.resources import files
from typing import Any

from curate.models.extras import load_extra

__all__ = ["environment", "readable"]


def environment(*packages: str) -> Any:
    """Return the templates in `pages/` of some packages, the first that has a name; texts are escaped.

    Raises PlanError without jinja2, which the extra `report` brings.
    """
    jinja2 = load_extra("jinja2", "report")

    def load(name: str) -> str | None:
        for package in packages:
            path = files(package).joinpath("pages", name)
            if path.is_file():
                return path.read_text(encoding="utf-8")
        return None

    return jinja2.Environment(autoescape=True, loader=jinja2.FunctionLoader(load), undefined=jinja2.StrictUndefined)


def readable(text: str) -> str:
    """Return a page without control characters and marks that turn the direction of text around."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
