#!/usr/bin/env bash
# Creates the dataset and builds the image, with or without a registry.
#   build.sh [IMAGE]
set -euo pipefail

image=${1:-profileapp/object-counter:0.1.0}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

python3 "$here/make_dataset.py" "$here/dataset"

# The first available base image: the one given, a local one, one that can be pulled, one built here.
base=${BASE:-}
if [ -z "$base" ]; then
    base=python:3.11-slim
    if ! docker image inspect "$base" >/dev/null 2>&1 && ! timeout 120 docker pull -q "$base" >/dev/null 2>&1; then
        base=$("$root/scripts/base-image")
    fi
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$here/Dockerfile" "$here/app.py" "$here/count.py" "$context/"
cp "$root/worker/profileapp/client.py" "$context/profileapp_client.py"
# The classic builder: buildx may be missing, or use a driver that does not see local images.
DOCKER_BUILDKIT=0 docker build -q --build-arg "BASE=$base" -t "$image" "$context" 2>/dev/null ||
    docker build -q --build-arg "BASE=$base" -t "$image" "$context"
