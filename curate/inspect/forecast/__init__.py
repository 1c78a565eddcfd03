"""What a run will take, foreseen from a pilot of it."""
