#!/usr/bin/env bash
# Generates the typed stubs into FOLDER/ktrdr: generate.sh FOLDER. Needs PYTHON of an environment with grpcio-tools and mypy-protobuf.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(mkdir -p "$1" && cd "$1" && pwd)
python=$(cd "$(dirname "$PYTHON")" && pwd)/$(basename "$PYTHON")
PATH=$(dirname "$python"):$PATH
google=$("$python" -c 'import google.rpc, pathlib; print(pathlib.Path(next(iter(google.rpc.__path__))).parents[1])')
rm -rf "$target/ktrdr"
cd "$here"
# shellcheck disable=SC2046 # file names of ours have no blanks
"$python" -m grpc_tools.protoc -I . -I "$google" \
  --python_out="$target" --grpc_python_out="$target" --mypy_out="quiet:$target" --mypy_grpc_out="quiet:$target" \
  $(find ktrdr -name '*.proto' | sort)
touch "$target/ktrdr/py.typed"
