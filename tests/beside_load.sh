#!/usr/bin/env bash
# Runs everything beside four busy processes, as often as it is told (once): no test fails because a machine is slow.
#   tests/beside_load.sh [times [make's target]]
set -euo pipefail
cd "$(dirname "$0")/.."
busy=()
trap 'kill "${busy[@]}" 2>/dev/null || true' EXIT
for _ in 1 2 3 4; do
  (while :; do :; done) &
  busy+=($!)
done
for ((round = 1; round <= ${1:-1}; round++)); do
  echo "beside ${#busy[@]} busy processes, round $round of ${1:-1}"
  make "${2:-test-all}"
done
