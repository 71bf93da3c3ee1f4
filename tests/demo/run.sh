#!/usr/bin/env bash
# `make demo`: from nothing to two people who write to each other, on a real Kubernetes.
#   KEEP=1 leaves the node running; LIFE=0 leaves out the life with time moved; KUBECONFIG names a cluster of your own (kind, k3d, …) instead of the node.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${MAIL_OPERATOR_CACHE:?set by the Makefile}
testbed=$CARGO_TARGET_DIR/debug/testbed
begin=${DEMO_BEGIN:-$(date +%s)}
log=$cache/demo.log
: > "$log"

# What a long step is at: on a terminal in its line, elsewhere a line a minute.
progress() {
  local what=$1 passed=$2 last
  # What go fetches says little of what it builds.
  last=$(tail -n 200 "$log" | grep -v '^go: downloading' | tail -n 1 | tr -d '\r' | sed 's/^ *//' | cut -c1-60) || :
  if [ -t 1 ]; then printf '\r\033[K▸ %s … %d s: %s' "$what" "$passed" "$last"; else printf '    %d s: %s\n' "$passed" "$last"; fi
}

running=
trap '[ -z "$running" ] || kill "$running" 2> /dev/null || :' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step "what" command …: says how long it takes; when it fails, what, where its log is and what to do.
step() {
  local what=$1 start=$SECONDS said=$SECONDS every=60 ended
  shift
  if [ -t 1 ]; then every=2; printf '▸ %s … ' "$what"; else printf '▸ %s …\n' "$what"; fi
  "$@" >> "$log" 2>&1 &
  running=$!
  while kill -0 "$running" 2> /dev/null; do
    sleep 0.2
    if [ $((SECONDS - said)) -ge $every ]; then said=$SECONDS; progress "$what" $((SECONDS - start)); fi
  done
  wait "$running" && ended=0 || ended=$?
  running=
  if [ -t 1 ]; then printf '\r\033[K▸ %s … ' "$what"; else printf '    '; fi
  if [ "$ended" = 0 ]; then
    printf 'done in %d s\n' $((SECONDS - start))
  else
    printf 'FAILED after %d s\n\n' $((SECONDS - start))
    tail -n 15 "$log" | sed 's/^/    /'
    printf '\nThe whole log: %s\nWhat to do: mend what the last lines name, then `make demo` again; what is done already is not done twice.\n' "$log"
    exit 1
  fi
}

foreign=${KUBECONFIG:-}
[ -n "$foreign" ] || step "prerequisites (Debian packages are installed where they lack)" "$testbed" doctor --install
programs="etcd k8s coredns helm kube-router"
[ -z "$foreign" ] || programs="k8s helm"
step "Kubernetes programs from Go modules (the first time takes 15 min on two free cores)" tests/k8s-tools/build.sh "$cache" $programs
step "the operator, release build (the first time takes 10 min)" cargo build --locked --release --bin mail-operator --bin kubectl-mail
export PATH="$CARGO_TARGET_DIR/release:$PATH" # kubectl mail, in the node too
images=$("$testbed" images "$CARGO_TARGET_DIR/release/mail-operator" 2>> "$log") || step "images" "$testbed" images "$CARGO_TARGET_DIR/release/mail-operator"
image() { awk -v n="$1" '$1 ~ "/" n ":" {print $'"$2"'}' <<< "$images"; }
printf '▸ images: %s %s\n' "$(image mail-operator 1)" "$(image mail-node 1)"
export MAIL_OPERATOR_IMAGE=$(image mail-operator 1) MAIL_OPERATOR_MAIL_IMAGE=$(image mail-node 1)
tools=$(tests/k8s-tools/build.sh "$cache" k8s helm 2>> "$log" | paste -sd:)

if [ -n "$foreign" ]; then
  export PATH="$tools:$PATH"
  context=$(kubectl config current-context)
  case $context in
    kind-*) for i in mail-operator mail-node; do step "image $i → $context" kind load image-archive "$(image $i 2)" --name "${context#kind-}"; done ;;
    k3d-*) for i in mail-operator mail-node; do step "image $i → $context" k3d image import "$(image $i 2)" --cluster "${context#k3d-}"; done ;;
    *) echo "▸ cluster $context: its nodes must be able to pull both images (or load $(image mail-operator 2) and $(image mail-node 2) by hand)" ;;
  esac
  exec bash tests/demo/steps.sh
fi

tars=$(awk '{print $2}' <<< "$images" | paste -sd,)
step "a Kubernetes node in namespaces of its own, with our images" "$testbed" up --tier 2 --name demo --images "$tars"
[ "$("$testbed" exec --name demo -- sh -c 'ctr -n k8s.io image ls -q' 2>> "$log" | grep -cF -e "$MAIL_OPERATOR_IMAGE" -e "$MAIL_OPERATOR_MAIL_IMAGE")" -ge 2 ] ||
  step "images into the node that runs already" "$testbed" load --name demo $(tr , ' ' <<< "$tars")
failed=0
"$testbed" exec --name demo -- env DEMO_INSIDE=1 KEEP="${KEEP:-}" LIFE="${LIFE:-1}" bash tests/demo/steps.sh || failed=$?
if [ -n "${KEEP:-}" ] || [ "$failed" -ne 0 ]; then
  echo
  "$testbed" status
  echo "Its addresses, the API server's too, can be reached inside it alone."
  echo "The node goes on running. A command inside it:   make node-exec CMD='kubectl -n thu-cong-vu get mbx'"
  echo "End it:                                          make demo-down"
else
  step "everything away again (KEEP=1 leaves it running)" "$testbed" down --name demo
fi
printf 'in all %d s\n' $(($(date +%s) - begin))
exit "$failed"
