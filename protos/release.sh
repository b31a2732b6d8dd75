#!/usr/bin/env bash
# Makes the contract of now the released one, which later changes may not break. Needs BUF and PYTHON.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
buf=$(cd "$(dirname "$BUF")" && pwd)/$(basename "$BUF")
workspace=$(mktemp -d)
trap 'rm -rf "$workspace"' EXIT
"$here/workspace.sh" "$workspace"
cd "$workspace"
"$buf" build --exclude-source-info --output "$here/released.binpb"
echo "released: $here/released.binpb"
