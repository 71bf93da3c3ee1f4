#!/usr/bin/env bash
# bench.sh TESTBED N C ROUNDS QUIET_SECONDS: floor, floor beside a mail system and operator in turn, each on a fresh API server; then latency and rest.
set -euo pipefail
testbed=$1 n=$2 c=$3 rounds=$4 quiet=$5
bench=$(cargo bench --locked --bench issue --no-run --message-format=json 2> /dev/null | grep -o '"executable":"[^"]*issue-[^"]*"' | tail -n 1 | cut -d'"' -f4)
cargo build --locked --quiet --release --bin mail-operator
export MAIL_OPERATOR_PROGRAM=$CARGO_TARGET_DIR/release/mail-operator
once() { "$testbed" run --tier 1 -- "$bench" "$@" 2> /dev/null | grep -E '^(floor|beside|operator|latency|quiet) '; }
for round in $(seq "$rounds"); do
  once floor "$n" "$c"
  once beside "$n" "$c"
  once operator "$n" "$c"
done
once latency "$n"
[ "$quiet" = 0 ] || once quiet "$n" "$quiet"
