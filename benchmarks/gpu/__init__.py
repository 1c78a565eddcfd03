"""What only a GPU can tell, in one command: `make gpu`, or `python -m benchmarks.gpu --out DIR`."""
