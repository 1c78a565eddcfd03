"""Texts that talk to a model instead of telling about an image."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["TEXT_COMMAND", "TEXT_COMMANDS"]

TEXT_COMMAND = pa.struct([("source", pa.string()), ("kind", pa.string()), ("text", pa.string())])

TEXT_COMMANDS = pa.schema(
    [
        column(
            "text_commands",
            pa.list_(TEXT_COMMAND),
            unit="texts",
            null="not measured",
            producer="text_commands",
            doc="Untrusted texts that read like a command, which hints leave out: the column it came from, the kind of "
            "command, and the text, made harmless and cut to 120 characters. Empty: none found.",
        ),
    ]
)
