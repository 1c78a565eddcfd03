"""Show the formats, and the options of one, in a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curate.exports.formats import find_format, known_formats
from curate.exports.options import list_options

__all__ = ["formats_table", "options_table"]


def formats_table() -> RenderableType:
    """Return every format with the first sentence of its file."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, sentence in known_formats().items():
        table.add_row(name, Text(sentence))
    return Group(table, Text("\noptions of one: curate formats NAME; give them as curate export ... -p name=value"))


def options_table(name: str) -> RenderableType:
    """Return what a format writes and its options: name, type, default, documentation; raises PlanError if unknown."""
    kind = find_format(name)
    table = Table(box=None, pad_edge=False)
    for column in ("option", "type", "default", "what it is"):
        table.add_column(column, overflow="fold")
    for option in list_options(kind):
        table.add_row(option.name, Text(option.type), Text(option.default or "must be given"), Text(option.doc))
    about = (kind.__doc__ or "").strip().partition("\n")[0]
    return Group(Text(f"{known_formats()[name]}\n{about}\n"), table)
