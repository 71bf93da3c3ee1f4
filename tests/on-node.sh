#!/usr/bin/env bash
# on-node.sh TESTBED COMMAND …: runs a command on a whole node with our images in it; shows what the operator and the
# mail pods logged when it fails.
set -euo pipefail
testbed=$1; shift
# shellcheck disable=SC2016
exec "$testbed" run --tier 2 --images "$MAIL_OPERATOR_ARCHIVES" -- bash -c '
  "$@" && exit 0
  rc=$?
  echo "── what the cluster says ──"
  kubectl get pods -A -o wide
  kubectl get msys,mbx -A
  kubectl -n mail-operator logs -l app.kubernetes.io/name=mail-operator --tail=200 --prefix
  kubectl -n thu-cong-vu logs gialai-0 --all-containers --tail=40 --prefix
  exit $rc' on-node "$@"
