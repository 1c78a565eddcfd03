#!/usr/bin/env bash
# Pack what a GPU machine without a network lacks (wheels.txt) into parts that are small enough to be carried there.
#
#   benchmarks/gpu/wheelhouse.sh OUT [SIZE] [LIST ...]
#
# writes OUT/part.00, OUT/part.01, ... of at most SIZE (default 57M) and OUT/install.sh. LIST are files of pins beside
# this script (default: wheels.txt; wheels-ocr.txt adds 256 MB). On the machine, once all parts lie in one folder:
#
#   source FOLDER/install.sh [SITE]     # installs into SITE (default /tmp/site) and sets PYTHONPATH
#
# Needs bash, tar, split and python3 with pip (PYTHON names another); the wheels are for CPython 3.12 on x86_64 Linux.
set -euo pipefail
out=${1:?usage: wheelhouse.sh OUT [SIZE] [LIST ...]}
size=${2:-57M}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lists=("${@:3}")
[ ${#lists[@]} -gt 0 ] || lists=(wheels.txt)
if compgen -G "$out/part.*" >/dev/null; then
  echo "wheelhouse.sh: $out holds parts already; give an empty folder" >&2
  exit 2
fi
python=${PYTHON:-python3}
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT

platforms=(--platform manylinux1_x86_64 --platform manylinux2014_x86_64)
for glibc in $(seq 17 39); do platforms+=(--platform "manylinux_2_${glibc}_x86_64"); done
for list in "${lists[@]}"; do
  "$python" -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: --dest "$wheels" \
    --python-version 3.12 --implementation cp "${platforms[@]}" --requirement "$here/$list"
done

mkdir -p "$out"
(cd "$wheels" && tar cf - ./*.whl) | split --bytes="$size" --numeric-suffixes - "$out/part."
cat >"$out/install.sh" <<'INSTALL'
# Source this: installs the wheels of the parts beside it and puts them first on PYTHONPATH.
parts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
site=${1:-/tmp/site}
if [ ! -e "$site/ready" ]; then
  rm -rf "$site" "$site.wheels"
  mkdir -p "$site.wheels"
  cat "$parts"/part.* | tar xf - -C "$site.wheels"
  "${PYTHON:-python3}" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --target "$site" \
    "$site.wheels"/*.whl && touch "$site/ready"
  rm -rf "$site.wheels"
fi
export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
INSTALL
echo "$(ls "$wheels"/*.whl | wc -l) wheels, $(du -ch "$out"/part.* | tail -n 1 | cut -f 1) in $(ls "$out"/part.* | wc -l) parts under $out"
