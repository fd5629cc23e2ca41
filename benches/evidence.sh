#!/usr/bin/env bash
# Measures what PERF_ANALYSIS.md shows, and writes it.
#
#     benches/evidence.sh               all that is not measured yet, then the document and the pages
#     benches/evidence.sh medium tune   these again, whatever there is
#     benches/evidence.sh noise         the noise of this machine, below which no change counts
#     benches/evidence.sh --list        names and commands
#
# It builds rb-bench (release) first. Run it on a quiet machine: the guard waits until it is one, for a
# limited time. The noise is measured first, once. What was measured stands in bench-results/evidence.txt, a name and a file a line; an
# interrupted run goes on with what is missing. Environment: PEERS_HOME (where
# benches/peers/install-peers.sh put other tools and the forwarding client; without it the peers are rb-bench, psql and the servers
# alone), CLUSTER_DIR (another directory for the managed server), GUARD (warn: do not wait, say what was not quiet),
# ROUNDS (of the peers; 5).
set -euo pipefail
cd "$(dirname "$0")/.."

results=bench-results
measured=$results/evidence.txt
document=PERF_ANALYSIS.md
bench=target/release/rb-bench
guard=(--guard "${GUARD:-wait}")
pairs=(--iters 10)
if [ -n "${CLUSTER_DIR:-}" ]; then export RB_BENCH_CLUSTER_DIR=$CLUSTER_DIR; fi

# Name, then what to call rb-bench with. Every session has its name as label.
sessions() {
  cat <<END
medium     ${guard[*]} ${pairs[*]} --profile medium
large      ${guard[*]} ${pairs[*]} --profile large
small      ${guard[*]} ${pairs[*]} --profile small
transform  ${guard[*]} ${pairs[*]} --profile transform
tune       tune --profile medium --rounds 5 --pairs 10
regret     tune --profile medium --sweep 1,4,8 --rounds 3 --pairs 10
isolate    tune --profile medium --isolate
same       ${guard[*]} --iters 20 --profile medium --before resources.parallelism=auto --after resources.parallelism=auto
slower     ${guard[*]} ${pairs[*]} --profile small --before destination.config.load_method=copy --after destination.config.load_method=insert
faster     ${guard[*]} ${pairs[*]} --profile small --before destination.config.load_method=insert --after destination.config.load_method=copy
rows1      ${guard[*]} --arms one --iters 6 --profile small --rows 500000
rows4      ${guard[*]} --arms one --iters 6 --profile small --rows 2000000
rows16     ${guard[*]} --arms one --iters 6 --profile small --rows 8000000
workers    tune --profile small --rows 2000000 --sweep 1,2,4,8,16 --rounds 5 --pairs 6
lz4        ${guard[*]} ${pairs[*]} --profile large --before resources.parallelism=auto --after destination.config.toast_compression=lz4
buffers    tune --profile small --rows 500000 --knob buffer_bytes=16384,65536,262144,1048576 --rounds 5 --pairs 6
chunks     tune --profile small --rows 500000 --knob chunk_bytes=1048576,4194304,16777216,67108864 --rounds 5 --pairs 6
commits    tune --profile small --rows 500000 --knob synchronous_commit=server,off --rounds 5 --pairs 6
END
}

# A profile's noise on this machine; later sessions call no smaller change.
measure_noise() {
  local profile
  for profile in medium large small transform; do
    printf '\n== noise: rb-bench calibrate --profile %s\n' "$profile" >&2
    "$bench" calibrate --profile "$profile" "${guard[@]}" >&2
  done
}

# The file that a name was measured into; nothing where it was not.
file_of() {
  local file
  file=$(awk -v name="$1" '$1 == name { print $2 }' "$measured")
  if [ -n "$file" ] && [ -s "$file" ]; then echo "$file"; fi
}

# Puts a new file in the place of the one that a name had: in the list, and where the document cites it.
keep() {
  local name=$1 file=$2 old
  old=$(awk -v name="$name" '$1 == name { print $2 }' "$measured")
  { awk -v name="$name" '$1 != name' "$measured"; echo "$name $file"; } >"$measured.new"
  mv "$measured.new" "$measured"
  if [ -n "$old" ] && [ "$old" != "$file" ] && [ -e "$document" ]; then
    sed -i.old "s|$old|$file|g" "$document"
    rm "$document.old"
  fi
}

measure() {
  local name=$1 id file
  shift
  printf '\n== %s: rb-bench %s\n' "$name" "$*" >&2
  id=$("$bench" "$@" --label "evidence $name" --out "$results" --format json | sed -n 's/^  "id": "\([0-9a-f]*\)",$/\1/p')
  file=$(ls "$results"/*-"$id".json)
  keep "$name" "$file"
}

# The same program as cargo builds it unless told otherwise, against the one that is released.
measure_build() {
  local plain=target/plain settings=(--before resources.parallelism=auto)
  printf '\n== build: without link-time optimisation, and with it\n' >&2
  cargo build --locked --release --target-dir "$plain" --config profile.release.lto=false --config profile.release.codegen-units=16
  measure build "${guard[@]}" "${pairs[@]}" --profile small --rows 500000 "${settings[@]}" --before-bin "$plain/release/rb-bench" --after-bin "$bench"
}

# The workbench's sessions run in turn with others, which no single call of rb-bench does.
measure_workbench() {
  printf '\n== workbench: benches/workbench.sh\n' >&2
  local file
  file=$(benches/workbench.sh 10 medium "$results")
  keep workbench "$file"
}

# Ways of copying a table beside rb-bench, in rounds: benches/peers/README.md.
measure_arms() {
  local name=$1 profiles=$2 sets=$3 file=docs/benchmarks/$1.json
  printf '\n== %s: benches/peers/peers.sh %s --set %s\n' "$name" "$profiles" "$sets" >&2
  mkdir -p "${file%/*}"
  benches/peers/peers.sh "$profiles" --set "$sets" --rounds "${ROUNDS:-5}" --checksum --json "$PWD/$file"
  keep "$name" "$file"
}

measure_peers() {
  local sets=ours
  [ -z "${PEERS_HOME:-}" ] || sets=ours,limits,peers
  measure_arms peers small,medium,large "$sets"
}

# The document from its model, once; afterwards its words are its own, and tables alone are rewritten.
write_document() {
  local name file text
  if ! grep -q '^<!-- rb-bench:table' "$document" 2>/dev/null; then
    text=$(cat benches/evidence.md)
    while read -r name file; do text=${text//@$name@/$file}; done <"$measured"
    printf '%s\n' "$text" >"$document"
  fi
  "$bench" report --update "$document"
  "$bench" report --profile-pages docs/benchmarks --out "$results"
}

main() {
  local name arguments wanted=" $* "
  if [ "${1:-}" = --list ]; then
    sessions
    printf '%s\n' 'build      two builds of rb-bench' 'workbench  benches/workbench.sh' 'peers      benches/peers/peers.sh' 'forwarder  benches/peers/peers.sh, the same with a bare forwarding client' 'noise      calibrate'
    return
  fi
  mkdir -p "$results"
  touch "$measured"
  cargo build --locked --release
  if [ "${wanted/ noise /}" != "$wanted" ] || { [ $# -eq 0 ] && [ ! -s "$measured" ]; }; then
    measure_noise </dev/null
  fi
  while read -r -a arguments; do
    name=${arguments[0]}
    if [ $# -gt 0 ] && [ "${wanted/ $name /}" = "$wanted" ]; then continue; fi
    if [ $# -eq 0 ] && [ -n "$(file_of "$name")" ]; then continue; fi
    measure "$name" "${arguments[@]:1}" </dev/null
  done < <(sessions)
  if [ "${wanted/ build /}" != "$wanted" ] || { [ $# -eq 0 ] && [ -z "$(file_of build)" ]; }; then
    measure_build </dev/null
  fi
  if [ "${wanted/ workbench /}" != "$wanted" ] || { [ $# -eq 0 ] && [ -z "$(file_of workbench)" ]; }; then
    measure_workbench </dev/null
  fi
  if [ "${wanted/ peers /}" != "$wanted" ] || { [ $# -eq 0 ] && [ -z "$(file_of peers)" ]; }; then
    measure_peers </dev/null
  fi
  if [ "${wanted/ forwarder /}" != "$wanted" ] || { [ $# -eq 0 ] && [ -z "$(file_of forwarder)" ]; }; then
    measure_arms forwarder small ours,pass </dev/null
  fi
  for name in $(sessions | awk '{ print $1 }') build workbench peers forwarder; do
    if [ -z "$(file_of "$name")" ]; then
      echo "not measured yet: $name; $document is left as it is (benches/evidence.sh measures what is missing)" >&2
      return
    fi
  done
  write_document
}

main "$@"
