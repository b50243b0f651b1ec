#!/bin/sh
# Build the wheel, install it alone in a clean environment, away from the sources, and run what a user runs first.
set -eu
here=$(pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
$BUILD --wheel --outdir "$scratch/dist" . >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log"; exit 1; }
"$PYTHON" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip --disable-pip-version-check --quiet install "$scratch"/dist/*.whl
cd "$scratch"
"$scratch/venv/bin/allowly-harness" --version
"$scratch/venv/bin/allowly-harness" demo </dev/null >"$scratch/demo.log" 2>&1 || { cat "$scratch/demo.log"; exit 1; }
tail -n 1 "$scratch/demo.log"
for package in allowly_harness allowly_middleware allowly_authority allowly_demos; do
    "$scratch/venv/bin/python" -c "import pathlib, $package as p; f = pathlib.Path(p.__file__).parent / 'py.typed'; assert f.exists(), f"
done
echo "the wheel works, without the sources in $(basename "$here")"
