#!/usr/bin/env bash
# Fails if the committed stubs are not what the contract generates.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$here/generate.sh" "$fresh"
if ! diff -r -q -x __pycache__ "$here/../clients/ktrdr" "$fresh/ktrdr"; then
  echo "the stubs in clients/ktrdr do not follow protos/: run 'make protos' and commit the result" >&2
  exit 1
fi
echo "stubs are up to date"
