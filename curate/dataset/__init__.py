"""What a dataset folder holds: cells, samples, manifest; verify, compact, gc."""
