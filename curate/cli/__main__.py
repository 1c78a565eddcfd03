"""The command line as a module: `python -m curate.cli`."""

from curate.cli import main

if __name__ == "__main__":
    main()
