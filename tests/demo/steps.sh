#!/usr/bin/env bash
# What `make demo` does in the cluster that KUBECONFIG names. Every line that is shown can be typed by hand.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/demo/lib.sh
. tests/demo/life.sh
ns=thu-cong-vu operator=mail-operator

title "1. The operator, by its Helm chart"
install $operator $ns
life_log=$(mktemp)
if [ "${LIFE:-1}" != 0 ]; then # its days pass meanwhile, and are told when their turn comes
  life > "$life_log" 2>&1 &
  living=$!
fi

title "2. What people commit: one MailSystem, $(ls manifests/gialai/agencies | wc -l) agencies, people"
show kubectl -n $ns apply -R -f manifests/gialai | tail -n 3
echo "  … waiting until all of it is Ready (a cold start of the mail server takes half a minute)"
all_ready "every object of manifests/gialai" -R -f manifests/gialai
# Each agency has a mailbox of its own, which the operator makes.
more_than() { [ "$(get mbx --no-headers | wc -l)" -gt "$1" ]; }
wait_until "a mailbox of each agency" more_than "$(ls manifests/gialai/agencies | wc -l)"
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
  found=$(get "$kind" "$name" -o jsonpath='{.status.address}')
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

title "4. Two people open their accounts (Điều 9 khoản 1) and write to each other"
quynh=quynhhtn.stttt@gialai.gov.vn nguyen=nguyentd.dakpo@gialai.gov.vn
connect 10000
say "Each has a first password (Secret <mailbox>-credentials, key initialPassword). It opens the password page alone: a person opens"
say "https://$site in a browser (Service gialai-portal, port 443)."
if has_browser; then say "Here headless Chromium does, as on a telephone; what it shows is kept in $pictures."; else say "There is none here (chromedriver): curl fills in the same form."; fi
first_access $quynh nv-000123
first_access $nguyen nv-000124
mail "$quynh" "$nguyen" "Chao-anh" "Chào anh Nguyên." | curl -sSk --max-time 30 --ssl-reqd --url "smtp://$host:$submission" \
  --user "$quynh:${password[nv-000123]}" --mail-from "$quynh" --mail-rcpt "$nguyen" --upload-file - || fail "submission"
say "$quynh → $nguyen by submission with TLS"
accepts "$quynh" From-outside "port 25"
say "someone@example.org → $quynh by port 25"
arrives "$nguyen" nv-000124 Chao-anh
arrives "$quynh" nv-000123 From-outside
uid=$(imap "$nguyen" nv-000124 "INBOX?SUBJECT%20Chao-anh" | tr -d '\r' | awk '{print $NF}')
say "read by $nguyen:"
imap "$nguyen" nv-000124 "INBOX;MAILINDEX=$uid" | tr -d '\r' | grep -E '^(From|To|Subject|Authentication-Results|DKIM-Signature):|Chào' | cut -c1-100 | sed 's/^/    │ /'

title "5. An address that does not exist is refused"
answer=$(from_outside khong-co@gialai.gov.vn x)
case $answer in *"550 5.1.1"*) say "$answer" ;; *) fail "an unknown address was not refused: $answer" ;; esac

title "6. A lock (Điều 6): no login, mail still arrives"
kubectl -n $ns patch mbx nv-000124 --type merge -p '{"spec":{"lock":{"reasons":["Compromised"],"basis":{"number":"9/CV","date":"2026-03-01","issuer":"STTTT"}}}}' > /dev/null
wait_until "the lock" refused "$nguyen" nv-000124
show kubectl -n $ns get mbx nv-000124
accepts "$nguyen" While-locked "mail to a locked person was refused"
kubectl -n $ns patch mbx nv-000124 --type merge -p '{"spec":{"lock":null}}' > /dev/null
another() { has_initial_password nv-000124; }
wait_until "another first password" another
say "unlocked: the old password, which others may know, is over; another first password was made (6.3), to be changed again"
first_access "$nguyen" nv-000124
arrives "$nguyen" nv-000124 While-locked
say "$nguyen reads what came meanwhile"

if [ -n "$living" ]; then
  tail -n +1 -s 0.2 -f --pid="$living" "$life_log"
  wait "$living" || life_failed=1 # what to try next is there all the same
fi

where=
[ -z "${DEMO_INSIDE:-}" ] || where=" in a shell inside the node (make node-exec)"
[ -z "$where" ] || [ -n "${KEEP:-}" ] || where=" in a shell inside the node: make demo KEEP=1 leaves it running, make node-exec opens the shell"
title "Try next$where"
cat <<T
  kubectl -n $ns get mbx
  kubectl -n $ns describe mbx nv-000123
  kubectl -n $ns get msys gialai -o jsonpath='{range .status.dnsRecords[*]}{.name} {.type} {.value}{"\n"}{end}'
  kubectl -n $ns get secret nv-000125-credentials -o jsonpath='{.data.initialPassword}' | base64 -d; echo   # a first password
  kubectl explain mailbox.spec
  kubectl mail status -n $ns; kubectl mail explain nv-000124 -n $ns   # with the line that make cli prints typed before
  kubectl -n $ns delete mbx nv-000123        # its mail, address and password are kept (D-14)
  kubectl -n $ns apply -f manifests/gialai/mailboxes/nv-000123.yaml
T
[ -n "${DEMO_INSIDE:-}" ] || echo "  kubectl -n $ns port-forward svc/gialai-portal 8443:443   # the password page: https://localhost:8443"
[ -z "$living" ] || cat <<T
  kubectl -n $rehearsal get msys,mbx               # the rehearsal goes on, $last_day days ahead; this ends it:
  helm -n $operator_there uninstall mail-operator && kubectl delete namespace $rehearsal $operator_there
T
exit "${life_failed:-0}"
