#!/usr/bin/env bash
# Runs what the given Markdown files tell a reader to type: all of a file's ```sh blocks, in order, in one shell and an empty folder.
# Usage: run.sh HALFTONE FILE.md …
set -euo pipefail
program=$(realpath "$1")
shift
export HALFTONE_HOME=${HALFTONE_HOME:-$(realpath "$(dirname "$0")/../..")}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin"
ln -s "$program" "$folder/bin/halftone"
export PATH="$folder/bin:$PATH"
for file in "$@"; do
  page=$(realpath "$file")
  work="$folder/$(basename "$file" .md)"
  mkdir "$work"
  awk '/^```sh$/ {inside = 1; next} /^```/ {inside = 0} inside' "$page" >"$work.sh"
  if [ ! -s "$work.sh" ]; then
    echo "$file: no commands" >&2
    exit 1
  fi
  echo "== $file: $(grep -c . "$work.sh") lines"
  if ! (cd "$work" && bash -euo pipefail "$work.sh") >"$work.log" 2>&1; then
    tail -30 "$work.log" >&2
    echo "$file: a command failed" >&2
    exit 1
  fi
done
