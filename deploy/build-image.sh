#!/bin/sh
# Builds the container image with whichever of podman, docker and buildah works here. The same commit makes the same
# image, as long as the base is the same: files bear the time of the commit, or that of SOURCE_DATE_EPOCH.
#   build-image.sh [TAG] [further options of "build"...]
set -eu
cd "$(dirname "$0")/.."
tag=${1:-handle-resolver}
[ $# -eq 0 ] || shift

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || true)
set -- "$@" ${BASE:+--build-arg "BASE=$BASE"} --tag "$tag" --label "org.opencontainers.image.version=$version" \
  ${revision:+--label "org.opencontainers.image.revision=$revision"}

if podman info >/dev/null 2>&1; then
  # Without the format of Docker the health check would be left out.
  exec podman build --format docker --timestamp "$SOURCE_DATE_EPOCH" "$@" .
elif docker info >/dev/null 2>&1; then
  exec docker buildx build --output "type=docker,rewrite-timestamp=true" "$@" .
elif command -v buildah >/dev/null; then
  exec buildah bud --format docker --timestamp "$SOURCE_DATE_EPOCH" "$@" .
fi
echo "none of podman, docker and buildah works here" >&2
exit 1
