"""Make the environments of the trainers whose loaders read our exports: `lock FOLDER`, `layer VENV`."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path


def lock(folder: Path) -> str:
    """Return the text of `requirements.lock`: what pip would install for `requirements.in` beside all that is here.

    A package that is here in a version which will do is not in the lock: it is shared with the main environment. Lines
    of `requirements.in` that begin with `# not: ` name what the consumer asks for and its loader never imports.
    """
    wanted = (folder / "requirements.in").read_text()
    unused = [line.removeprefix("# not: ").split() for line in wanted.splitlines() if line.startswith("# not: ")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-"]
    done = subprocess.run(
        [*command, "--requirement", str(folder / "requirements.in")], stdout=subprocess.PIPE, text=True, check=True
    )
    packages = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    left_out = {name.lower() for names in unused for name in names}
    pins = [f"{each['name']}=={each['version']}" for each in packages if each["name"].lower() not in left_out]
    return "\n".join(["# `make lock-consumers` writes this file.", *sorted(pins, key=str.lower), ""])


def layer(venv: Path) -> None:
    """Let the environment at `venv` see the packages of this one, behind its own."""
    here = sysconfig.get_path("purelib")
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "main.pth").write_text(f'import site; site.addsitedir("{here}")\n')


if __name__ == "__main__":
    verb, place = sys.argv[1], Path(sys.argv[2])
    if verb == "lock":
        (place / "requirements.lock").write_text(lock(place))
    else:
        layer(place)
