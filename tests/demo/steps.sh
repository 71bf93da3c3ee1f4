#!/usr/bin/env bash
# What `make demo` does in the cluster that KUBECONFIG names. Every line that is shown can be typed by hand.
set -euo pipefail
cd "$(dirname "$0")/../.."
ns=thu-cong-vu
if [ -t 1 ]; then title() { printf '\n\033[1m%s\033[0m\n' "$*"; }; else title() { printf '\n%s\n' "$*"; }; fi
show() { printf '$ %s\n' "$*"; "$@"; }
fail() { printf '\nFAILED: %s\n' "$*"; not_ready; kubectl -n $ns get msys,pods -o wide || :; echo "Look at: kubectl -n mail-operator logs -l app.kubernetes.io/name=mail-operator --prefix --tail=100; kubectl -n $ns describe pod gialai-0"; exit 1; }

limit=240 # seconds that a wait may take
named=5   # objects that are named at once

# What is not Ready, with reason and message: the MailSystem first, since all others wait for it.
line='{{range .items}}{{$ready := ""}}{{$why := "not looked at yet"}}{{range .status.conditions}}{{if eq .type "Ready"
  }}{{$ready = .status}}{{$why = printf "%s: %s" .reason .message}}{{end}}{{end}}{{if ne $ready "True"
  }}{{printf "      %s %s: %.400s\n" .kind .metadata.name $why}}{{end}}{{end}}'
not_ready() {
  kubectl -n $ns get mailsystem,quotapolicy,agency,mailbox --request-timeout=10s -o go-template="$line" 2> /dev/null |
    awk -v named=$named 'NR <= named; END {if (NR > named) print "      … and " NR - named " more"}' || :
}

# wait_until "what" command …: asks until the command agrees; after 40 s, then every 15 s, says what is not Ready.
wait_until() {
  local what=$1 begin=$SECONDS said=$((SECONDS + 25)) why
  shift
  until timeout 15 "$@" > /dev/null 2>&1; do
    [ $((SECONDS - begin)) -lt $limit ] || fail "$what: not within $limit s"
    if [ $((SECONDS - said)) -lt 15 ]; then sleep 0.5; continue; fi
    said=$SECONDS
    why=$(not_ready)
    [ -z "$why" ] || printf '  … %s: not after %d s; not Ready are\n%s\n' "$what" $((SECONDS - begin)) "$why"
  done
}

title "1. The operator, by its Helm chart"
for n in $ns; do
  kubectl create namespace $n --dry-run=client -o yaml | kubectl apply -f - > /dev/null
  kubectl label --overwrite namespace $n pod-security.kubernetes.io/enforce=restricted > /dev/null
done
install=(helm upgrade --install mail-operator charts/mail-operator --namespace mail-operator --create-namespace
  --set "image.repository=${MAIL_OPERATOR_IMAGE%:*}" --set "image.tag=${MAIL_OPERATOR_IMAGE##*:}"
  --set "mailImage=$MAIL_OPERATOR_MAIL_IMAGE" --set "namespaces={$ns}" --wait --timeout 180s)
printf '$ %s\n' "${install[*]}"
"${install[@]}" > /dev/null || fail "the chart"

title "2. What people commit: one MailSystem, $(ls manifests/gialai/agencies | wc -l) agencies, people"
show kubectl -n $ns apply -R -f manifests/gialai | tail -n 3
echo "  … waiting until all of it is Ready (a cold start of the mail server takes half a minute)"
all_ready() { wait_until "$1 Ready" kubectl -n $ns wait --for=condition=Ready --timeout=15s "${@:2}"; }
all_ready "every object of manifests/gialai" -R -f manifests/gialai
# Each agency has a mailbox of its own, which the operator makes.
more_than() { [ "$(kubectl -n $ns get mbx --no-headers | wc -l)" -gt "$1" ]; }
export -f more_than
export ns
wait_until "a mailbox of each agency" bash -c "more_than $(ls manifests/gialai/agencies | wc -l)"
all_ready "the agencies' mailboxes" mailbox -l app.kubernetes.io/managed-by=mail-operator

title "3. What the operator made of it"
show kubectl -n $ns get msys,qp
few() { awk -v rows="$1" 'NR <= rows + 1; END {if (NR > rows + 1) print "… " NR - rows - 1 " more"}'; }
show kubectl -n $ns get agency | few 6
show kubectl -n $ns get mbx --sort-by=.metadata.name | { sed -u 2q; grep '^nv-'; }
echo "… and those of the $(ls manifests/gialai/agencies | wc -l) agencies themselves"
title "   The nine examples of Điều 4 (docs/naming.md says where its print has a slip)"
bad=0
while read -r kind name address; do
  found=$(kubectl -n $ns get "$kind" "$name" -o jsonpath='{.status.address}')
  [ "$found" = "$address" ] && mark=✓ || { mark="✗ expected $address"; bad=1; }
  printf '  %-44s %s\n' "$found" "$mark"
done <<E
agency stttt stttt@gialai.gov.vn
agency ubndpleiku ubndpleiku@gialai.gov.vn
agency ubndhoaphu-chupah ubndhoaphu.chupah@gialai.gov.vn
agency tuphap-iagrai tuphap.iagrai@gialai.gov.vn
agency ccbvmt-stnmt ccbvmt.stnmt@gialai.gov.vn
mailbox nv-000123 quynhhtn.stttt@gialai.gov.vn
mailbox nv-000124 nguyentd.dakpo@gialai.gov.vn
mailbox nv-000125 tienminhth.stttt@gialai.gov.vn
mailbox nv-000126 tanminhth.stttt@gialai.gov.vn
E
[ $bad = 0 ] || fail "an address is not what the regulation says"

title "4. Two people log in and write to each other"
pids=
trap '[ -z "$pids" ] || kill $pids 2> /dev/null || :' EXIT
if [ -n "${DEMO_INSIDE:-}" ]; then # inside the node Services can be reached
  host=$(kubectl -n $ns get svc gialai -o jsonpath='{.spec.clusterIP}') imaps=993 submission=587
  mx=$(kubectl -n $ns get svc gialai-mx -o jsonpath='{.spec.clusterIP}') smtp=25
else # kubectl ends a forward at the first connection that is reset, hence the loops
  host=127.0.0.1 imaps=10993 submission=10587 mx=127.0.0.1 smtp=10025
  forward() { while :; do kubectl -n $ns port-forward "$@" > /dev/null 2>&1; sleep 0.2; done; }
  forward svc/gialai 10993:993 & pids="$pids $!"
  forward svc/gialai 10587:587 & pids="$pids $!"
  forward svc/gialai-mx 10025:25 & pids="$pids $!"
  for port in $imaps $submission $smtp; do
    for i in $(seq 100); do (: < /dev/tcp/127.0.0.1/$port) 2> /dev/null && break; sleep 0.1; done
  done
fi
password() { kubectl -n $ns get secret "$1-credentials" -o jsonpath='{.data.initialPassword}' | base64 -d; }
quynh=quynhhtn.stttt@gialai.gov.vn nguyen=nguyentd.dakpo@gialai.gov.vn
imap() { curl -sSk --max-time 20 --url "imaps://$host:$imaps/$3" --user "$1:$(password "$2")" "${@:4}"; }
for who in "$quynh nv-000123" "$nguyen nv-000124"; do
  set -- $who
  imap "$1" "$2" "" -X 'STATUS INBOX (MESSAGES)' > /dev/null || fail "login of $1"
  printf '  %-44s logged in over IMAPS\n' "$1"
done
mail() { printf 'From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@demo.invalid>\r\n\r\n%s\r\n' "$1" "$2" "$3" "$(date -R)" "$RANDOM$RANDOM" "$4"; }
mail "$quynh" "$nguyen" "Chao-anh" "Chào anh Nguyên." | curl -sSk --max-time 30 --ssl-reqd --url smtp://$host:$submission \
  --user "$quynh:$(password nv-000123)" --mail-from "$quynh" --mail-rcpt "$nguyen" --upload-file - || fail "submission"
printf '  %s → %s by submission with TLS\n' "$quynh" "$nguyen"
mail "someone@example.org" "$quynh" "From-outside" "Hello." | curl -sS --max-time 30 --url smtp://$mx:$smtp \
  --mail-from someone@example.org --mail-rcpt "$quynh" --upload-file - || fail "port 25"
printf '  someone@example.org → %s by port 25\n' "$quynh"
arrives() { # address mailbox subject
  for i in $(seq 60); do
    imap "$1" "$2" "INBOX?SUBJECT%20$3" 2> /dev/null | grep -qE 'SEARCH [0-9]' && return 0
    sleep 0.5
  done
  return 1
}
arrives "$nguyen" nv-000124 Chao-anh || fail "mail did not arrive at $nguyen"
arrives "$quynh" nv-000123 From-outside || fail "mail did not arrive at $quynh"
uid=$(imap "$nguyen" nv-000124 "INBOX?SUBJECT%20Chao-anh" | tr -d '\r' | awk '{print $3}')
printf '  read by %s:\n' "$nguyen"
imap "$nguyen" nv-000124 "INBOX;MAILINDEX=$uid" | tr -d '\r' | grep -E '^(From|To|Subject|Authentication-Results|DKIM-Signature):|Chào' | cut -c1-100 | sed 's/^/    │ /'

title "5. An address that does not exist is refused"
answer=$(mail a@example.org b@gialai.gov.vn x x | curl -sv --max-time 30 --url smtp://$mx:$smtp --mail-from a@example.org \
  --mail-rcpt khong-co@gialai.gov.vn --upload-file - 2>&1 | grep -E '^< 5' | head -n 1 | tr -d '\r' || :)
case $answer in *"550 5.1.1"*) printf '  %s\n' "$answer" ;; *) fail "an unknown address was not refused: $answer" ;; esac

title "6. A lock (Điều 6): no login, mail still arrives"
kubectl -n $ns patch mbx nv-000124 --type merge -p '{"spec":{"lock":{"reasons":["Compromised"],"basis":{"number":"9/CV","date":"2026-03-01","issuer":"STTTT"}}}}' > /dev/null
for i in $(seq 50); do imap "$nguyen" nv-000124 "" -X 'NOOP' > /dev/null 2>&1 || break; sleep 0.1; done
imap "$nguyen" nv-000124 "" -X 'NOOP' > /dev/null 2>&1 && fail "a locked person logs in"
show kubectl -n $ns get mbx nv-000124
mail "someone@example.org" "$nguyen" "While-locked" "Hello." | curl -sS --max-time 30 --url smtp://$mx:$smtp \
  --mail-from someone@example.org --mail-rcpt "$nguyen" --upload-file - || fail "mail to a locked person was refused"
kubectl -n $ns patch mbx nv-000124 --type merge -p '{"spec":{"lock":null}}' > /dev/null
for i in $(seq 50); do imap "$nguyen" nv-000124 "" -X 'NOOP' > /dev/null 2>&1 && break; sleep 0.1; done
arrives "$nguyen" nv-000124 While-locked || fail "mail that came during the lock is not there"
printf '  unlocked: %s logs in again and reads what came meanwhile\n' "$nguyen"

where=
[ -z "${DEMO_INSIDE:-}" ] || where=" in a shell inside the node (make node-exec)"
[ -z "$where" ] || [ -n "${KEEP:-}" ] || where=" in a shell inside the node: make demo KEEP=1 leaves it running, make node-exec opens the shell"
title "Try next$where"
cat <<T
  kubectl -n $ns get mbx
  kubectl -n $ns describe mbx nv-000123
  kubectl -n $ns get msys gialai -o jsonpath='{range .status.dnsRecords[*]}{.name} {.type} {.value}{"\n"}{end}'
  kubectl explain mailbox.spec
  kubectl -n $ns delete mbx nv-000123        # its mail, address and password are kept (D-14)
  kubectl -n $ns apply -f manifests/gialai/mailboxes/nv-000123.yaml
T
