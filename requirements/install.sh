#!/bin/sh
# Installs this project, editable, and what it needs, in the versions and with the hashes of a lock file beside this one.
#   install.sh PYTHON LOCK EXTRAS        such as: install.sh .venv/bin/python test '[test,lint]'
# A package whose hash is another one stops it. Where a locked version cannot be had at all (a registry that lacks it, a
# platform it was not built for), it says so and installs what pyproject.toml allows instead; LOCKED=yes forbids that.
set -u
cd "$(dirname "$0")/.." || exit
python=$1 lock=requirements/$2.txt project=.$3

said=$(mktemp)
trap 'rm -f "$said"' EXIT
install() { "$python" -m pip --quiet --disable-pip-version-check install "$@"; }

if install --require-hashes --requirement requirements/build.txt --requirement "$lock" 2>"$said"; then
  # Nothing more is to be fetched now, unless pyproject.toml has changed since the lock file was made.
  install --no-index --no-build-isolation --editable "$project" 2>"$said" && exit
  why="$lock does not hold what pyproject.toml asks for: run \"make lock\"."
else
  if grep -q 'DO NOT MATCH THE HASHES' "$said"; then
    cat "$said" >&2
    echo "A package is not the one that $lock was made from. Nothing was installed." >&2
    exit 1
  fi
  why="The packages of $lock cannot be installed here."
fi
cat "$said" >&2
if [ -n "${LOCKED:-}" ]; then
  echo "$why" >&2
  exit 1
fi
echo "WARNING: $why Installing what pyproject.toml allows instead, without hashes." >&2
install --editable "$project"
