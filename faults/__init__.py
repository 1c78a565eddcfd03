"""Real faults, run by `make faults`; not part of the wheel."""
