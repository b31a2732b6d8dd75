#!/usr/bin/env bash
# Lays a buf workspace into FOLDER: our contract beside the google/rpc files of the installed googleapis-common-protos.
# workspace.sh FOLDER; needs PYTHON of an environment that has that package.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
google=$("$PYTHON" -c 'import google.rpc, pathlib; print(pathlib.Path(next(iter(google.rpc.__path__))).parents[1])')
mkdir -p "$1/google-protos/google/rpc" "$1/protos"
cp "$google/google/rpc/status.proto" "$1/google-protos/google/rpc/"
cp -r "$here/ktrdr" "$1/protos/"
sed 's|^  - path: protos$|  - path: protos\n  - path: google-protos\n    lint: {ignore: [google-protos]}\n    breaking: {ignore: [google-protos]}|' \
  "$here/../buf.yaml" > "$1/buf.yaml"
