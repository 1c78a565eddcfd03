"""Bytes, anywhere: store, file systems, checksums, lock, redaction."""
