#!/bin/sh
# Writes requirements/*.txt anew: every package that is installed, by version and by hash, for each Python we support and
# each platform that a package was built for. Versions that were chosen before stay, where pyproject.toml still allows
# them; with UPGRADE=yes the newest are taken.
#   lock.sh PYTHON
set -eu
cd "$(dirname "$0")/.."
python=$1

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  "$python" -m pip install --quiet --disable-pip-version-check uv
  uv=$(dirname "$python")/uv
fi

lock() {
  name=$1 purpose=$2
  shift 2
  # --index-url and the like are of this machine, and belong to nobody else's.
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
    --no-emit-index-url --no-emit-find-links ${UPGRADE:+--upgrade} --output-file "requirements/$name.txt" "$@" >/dev/null
  { echo "# $purpose Made by \"make lock\"; not edited by hand."; grep -v '^# What' "requirements/$name.txt"; } >"requirements/.new"
  mv requirements/.new "requirements/$name.txt"
}

project() { "$python" -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb')); print(*$1, sep='\n')"; }

# The tests come first: what they run on is what the others hold as well.
lock test 'What "make test" and "make check" install.' --extra test --extra deploy --extra lint pyproject.toml
options=$(project "(f'--extra={name}' for name in project['project']['optional-dependencies'] if name not in {'test', 'deploy', 'lint', 'fuzz'})")
# shellcheck disable=SC2086  # one word each
lock runtime 'What "make run" and the image install, optional parts included.' --constraint requirements/test.txt $options pyproject.toml
# hatchling asks for the last one when it installs the project editable.
{ project "project['build-system']['requires']"; echo editables; } |
  lock build 'What builds the package.' --constraint requirements/test.txt -
