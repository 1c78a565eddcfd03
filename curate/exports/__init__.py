"""Materialised views of a run, in the formats that trainers read: one file each in `formats/`."""
