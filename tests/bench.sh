#!/usr/bin/env bash
# bench.sh TESTBED N C ROUNDS QUIET_SECONDS LOCKS MASS: floor, floor beside a mail system and operator in turn, each on a fresh API server;
# then latency, LOCKS at once, MASS mailboxes (0 leaves one out), rest, and what needs no cluster. The lines are those of
# docs/benchmarks.md; those that begin with "progress" only say that it goes on.
set -euo pipefail
testbed=$1 n=$2 c=$3 rounds=$4 quiet=$5 locks=$6 mass=$7
echo "progress: release builds (the first time takes a quarter of an hour)"
program() { cargo bench --locked --bench "$1" --no-run --message-format=json 2> /dev/null | grep -o "\"executable\":\"[^\"]*$1-[^\"]*\"" | tail -n 1 | cut -d'"' -f4; }
bench=$(program issue)
lifecycle=$(program lifecycle)
cargo build --locked --quiet --release --bin mail-operator
export MAIL_OPERATOR_PROGRAM=$CARGO_TARGET_DIR/release/mail-operator
# What goes wrong is said on the standard error, which else holds the daemons of the test bed: its end is shown then.
once() {
  local said
  said=$(mktemp)
  "$testbed" run --tier 1 -- "$bench" "$@" 2> "$said" |
    grep --line-buffered -E '^(floor|beside|operator|latency|locks|mass|mass_rest|mass_due|quiet|progress)[: ]' ||
    { echo "issue $* failed:"; tail -n 20 "$said"; rm -f "$said"; return 1; }
  rm -f "$said"
}
for round in $(seq "$rounds"); do
  once floor "$n" "$c"
  once beside "$n" "$c"
  once operator "$n" "$c"
done
once latency "$n"
[ "$locks" = 0 ] || once locks "$n" "$locks"
[ "$quiet" = 0 ] || once quiet "$n" "$quiet"
[ "$mass" = 0 ] || once mass "$mass"
[ "$mass" = 0 ] || "$lifecycle" "$mass" forecast cli
