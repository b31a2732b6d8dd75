#!/usr/bin/env bash
# Checks the contract: lint (style and comments), format, and that nothing released is broken. Needs BUF and PYTHON.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
buf=$(cd "$(dirname "$BUF")" && pwd)/$(basename "$BUF")
workspace=$(mktemp -d)
trap 'rm -rf "$workspace"' EXIT
"$here/workspace.sh" "$workspace"
cd "$workspace"
"$buf" lint
"$buf" format --diff --exit-code protos || { echo "format the contract with 'make format'" >&2; exit 1; }
"$buf" build --output current.binpb
"$buf" breaking current.binpb --against "$here/released.binpb" --config buf.yaml --exclude-imports
echo "the contract is well-formed and breaks nothing released"
