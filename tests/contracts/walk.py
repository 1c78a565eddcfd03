"""Find every filter, expert and column of the project; nothing here lists one by name."""

import dataclasses
import importlib
import pkgutil
import typing
from collections.abc import Iterator

import pyarrow as pa

from curate.engines.engine import Engine, Request
from curate.engines.fake import FakeEngine


def stages(package: str, method: str) -> list[type]:
    """Return the classes that have `method` and are defined in a module of `package`, by name."""
    classes = [
        thing
        for module in modules(package)
        for thing in vars(module).values()
        if isinstance(thing, type) and hasattr(thing, method) and thing.__module__ == module.__name__
        if dataclasses.is_dataclass(thing)
    ]
    return sorted(classes, key=lambda kind: kind.__name__)


def modules(package: str) -> Iterator[typing.Any]:
    place = importlib.import_module(package).__path__
    for info in pkgutil.walk_packages(place, f"{package}."):
        yield importlib.import_module(info.name)


def known_columns() -> dict[str, pa.Field]:
    """Return every column that a schema of the project documents."""
    schemas = [thing for module in modules("schemas") for thing in vars(module).values()]
    return {field.name: field for schema in schemas if isinstance(schema, pa.Schema) for field in schema}


def example(kind: type) -> typing.Any:
    """Construct a stage from its defaults; a required engine is a fake one."""
    hints = typing.get_type_hints(kind)
    required = [field.name for field in dataclasses.fields(kind) if field.init and _has_no_default(field)]
    assert all(hints[name] in (Engine, Engine | None) for name in required), (
        f"{kind.__name__} needs defaults for {required}"
    )
    return kind(**dict.fromkeys(required, FakeEngine(say_little)))


def say_little(request: Request) -> str:
    return f"An image. {request.prompt[:20]}"


def _has_no_default(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
