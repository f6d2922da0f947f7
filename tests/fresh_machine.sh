#!/usr/bin/env bash
# Runs the first tier as on a fresh machine: an empty environment, and on the path Python, make, git and what every Debian has.
#   tests/fresh_machine.sh [make's target]
set -euo pipefail
cd "$(dirname "$0")/.."
path=$(mktemp -d)
trap 'rm -rf "$path"' EXIT
for package in bash coreutils dash diffutils findutils grep gzip sed tar util-linux; do # essential ones
  dpkg -L "$package" | { grep -E '^(/usr)?/s?bin/.' || true; } | while read -r program; do ln -sf "$program" "$path/"; done
done
for program in make git; do ln -sf "$(command -v $program)" "$path/"; done
ln -sf "$(python3 -c 'import sys; print(sys.executable)')" "$path/python3" # and no wrapper that needs more
chmod 755 "$path" # some tests act as nobody
env -i PATH="$path" HOME="$HOME" LANG=C.UTF-8 PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-}" make "${1:-test}"
