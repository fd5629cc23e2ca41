#!/usr/bin/env bash
# What the workbench costs a copy: the same iteration with it and without it, in turn.
#
#     benches/workbench.sh [PAIRS] [PROFILE] [OUT-DIR]      10 pairs of medium into bench-results, unless said
#
# Each half of a pair is a session of its own (a warm-up, then one measured iteration), in an order that
# alternates; examples/paired.rs writes them down as one session of pairs, which is judged like any other. The
# workbench runs on a pseudo-terminal of 120x36 (script, of util-linux). Environment: RB_BENCH_CLUSTER_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-10} profile=${2:-medium} out=${3:-bench-results}

cargo build --locked --release --bins --example paired
bench=$PWD/target/release/rb-bench
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir "$work/headless" "$work/workbench"
settings=(--profile "$profile" --arms one --iters 1 --warmup 1 --guard off)

headless() {
  "$bench" "${settings[@]}" --out "$work/headless" >/dev/null 2>&1
}

# The workbench is told to quit once its session is kept whole.
workbench() {
  local before keys terminal
  before=$(complete)
  keys=$work/keys
  mkfifo "$keys"
  script -qec "stty cols 120 rows 36; exec $(printf '%q ' "$bench" tui "${settings[@]}" --out "$work/workbench")" /dev/null \
    <"$keys" >/dev/null 2>&1 &
  terminal=$!
  exec 5>"$keys"
  while [ "$(complete)" = "$before" ]; do
    kill -0 "$terminal" 2>/dev/null || { echo 'the workbench ended before its session did' >&2; return 1; }
    sleep 0.2
  done
  # the session is kept before it has ended, and then it is asked whether to wait for that
  while kill -0 "$terminal" 2>/dev/null; do
    printf Q >&5
    sleep 0.2
  done
  wait "$terminal"
  exec 5>&-
  rm "$keys"
}

complete() {
  { grep -lE '^  "partial": false' "$work"/workbench/*.json 2>/dev/null || true; } | wc -l
}

for ((pair = 1; pair <= pairs; pair++)); do
  printf 'pair %d of %d\n' "$pair" "$pairs" >&2
  if ((pair % 2)); then
    headless
    workbench
  else
    workbench
    headless
  fi
done
target/release/examples/paired "$work/headless" "$work/workbench" "$out" "evidence workbench" "benches/workbench.sh $pairs $profile"
