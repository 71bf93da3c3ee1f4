# One life with time moved, in a namespace and with an operator of its own; `source`d by steps.sh.
# shellcheck shell=bash disable=SC2154

rehearsal=dien-tap operator_there=mail-dien-tap last_day=135
who=nv-000200 whose=hantt.snv@gialai.gov.vn

# An operator, a mail server. One that is left of an earlier demo goes first: its time was moved.
life_begin() {
  kubectl delete namespace $rehearsal $operator_there --ignore-not-found --wait --timeout=120s
  install $operator_there $rehearsal --set crds.install=false --set replicas=1 --set podDisruptionBudget.enabled=false
  kubectl -n $ns apply -f manifests/gialai/system.yaml -f manifests/gialai/agencies/snv.yaml
}

# Moves time; the mail pod is replaced, since its agent follows.
ahead=0
rehearse() {
  ahead=$1
  local command=(helm upgrade mail-operator charts/mail-operator -n $operator_there --reuse-values --wait --set "rehearsal.daysAhead=$1")
  printf '$ %s\n' "${command[*]}"
  "${command[@]}" > /dev/null || fail "the chart"
}
follows() {
  local pod
  pod=$(get pod gialai-0 -o jsonpath='{.status.conditions[?(@.type=="Ready")].status} {.spec.initContainers[*].args}')
  case $pod in True*"--days-ahead=$ahead"\"*) kubectl -n $ns wait --for=condition=Ready --timeout=5s msys/gialai ;; *) return 1 ;; esac
}
# Today as the province has it, and now, in the rehearsal.
there() { TZ=ICT-7 date -d "+$ahead days" +%F; }
moment() { date -u -d "+$ahead days" +%FT%TZ; }

state() { kubectl -n $ns get mbx "$1" -o jsonpath='{.status.state}'; }
is() { [ "$(state $who)" = "$1" ]; }
ready_of() { get "$@" -o jsonpath='{.status.conditions[?(@.type=="Ready")].message}'; }
# stage STATE: waits for it and shows it as kubectl does.
stage() {
  wait_until "$who $1" is "$1"
  show kubectl -n $ns get mbx $who
  say "Ready: $(ready_of mbx $who)"
}
patch() {
  printf "$ kubectl -n %s patch mbx %s --type merge -p '%s'\n" $ns $who "$1"
  kubectl -n $ns patch mbx $who --type merge -p "$1" > /dev/null
}
# The operator asks twice a minute; the agent knows it before.
proven() {
  [ -n "$(get msys gialai -o jsonpath='{.status.activity.completeFrom}')" ] || kubectl -n $ns logs gialai-0 -c agent --tail=50 | grep -q 'use is complete from now on'
}

proven_today() { [[ $(get msys gialai -o jsonpath='{.status.activity.completeThrough}') > $(date -u -d "+$((ahead - 1)) days" +%F) ]]; }

# Subjects of what the system itself wrote to the holder. Asked of the server: a login would be use.
notices() {
  kubectl -n $ns exec gialai-0 -c dovecot -- doveadm -f flow fetch -u $whose hdr.subject.utf8 mailbox INBOX HEADER Auto-Submitted auto-generated \
    2> /dev/null | sed 's/^hdr.subject.utf8=//' || :
}
show_notices() {
  local found
  found=$(notices)
  if [ -n "$found" ]; then sed 's/^/  in the INBOX: «/; s/$/»/' <<< "$found"; else say "(no notice in the INBOX)"; fi
}

# Runs beside the other parts, with ports and cookies of its own.
life() {
  ns=$rehearsal operator=$operator_there pids= cookies=$(mktemp) life_log=
  trap end EXIT
  title "7. One life, with time moved (LIFE=0 leaves it out)"
  say "A rehearsal has a namespace and an operator of its own (rehearsal.daysAhead of the chart), so that nobody else's time moves."
  life_begin > /dev/null
  all_ready "the rehearsal's MailSystem and Agency" msys/gialai agency/snv
  connect 11000
  life_until_lock
  life_after_lock
  life_brake
}

life_until_lock() {
  title "   Day 0: issued; the first access opens it"
  kubectl -n $ns apply -f - > /dev/null <<Y
apiVersion: mail.gialai.gov.vn/v1alpha1
kind: Mailbox
metadata: {name: $who}
spec:
  agencyRef: {name: snv}
  fullName: Nguyễn Thị Thu Hà
  basis: {number: 31/SNV-VP, date: "$(there)", issuer: Sở Nội vụ}
Y
  stage MustChangePassword
  first_access $whose $who
  stage Active
  say "… until the mail server proves that it tells of every use: silence that is not proven locks nobody (D-16)"
  wait_until "use that is proven complete (D-16)" proven

  title "   Day 82: silence; what is due is told before, 14, 7 and 1 days"
  rehearse 82 # the lock comes on day 90 to 95, by months and weekends (D-09): the first notice on day 81 at the latest
  wait_until "a mail server that follows" follows
  connect_again
  is_due() { [ -n "$(get mbx $who -o jsonpath='{.status.due}')" ]; }
  wait_until "what is due of $who" is_due
  stage Active
  say "due: $(get mbx $who -o jsonpath='{range .status.due[*]}{.action} {.reason} ({.rule}) at {.at}{"\n"}{end}' | paste -sd,)"
  is_told_before() { [ -n "$(notices)" ]; }
  wait_until "a notice before the lock" is_told_before
  show_notices
  wait_until "use that is proven up to this day" proven_today
  kubectl_mail forecast -n $ns --now "$(moment)" --until "$(date -u -d "+$((ahead + 20)) days" +%FT%TZ)"

  title "   Day 95: three months without login, sending or receiving (6.2.a)"
  rehearse 95
  wait_until "a mail server that follows" follows
  connect_again
  say "… until it is proven that no use is missing in all that time (a minute and a half at most)"
  stage Locked
  local says page_says
  is_told() { says=$(imap_says $whose $who); [ -n "$says" ]; }
  wait_until "IMAP refuses a locked holder" is_told
  say "IMAP, with the right password: «$says»"
  page_says=$(change_password $whose "${password[$who]}" "$(new_password)" || :)
  say "the password page, with the right password: «$(heading <<< "$page_says"): $(reason <<< "$page_says" || :)»"
  accepts $whose Trong-khi-khoa "mail to a locked holder was refused"
  say "mail from outside is still received (6.1)"
  say "its agency's own mailbox, whose first password nobody changed: $(ready_of mbx agency-snv)"
}

life_after_lock() {
  title "   Restored by the agency's document (6.3), with a new password"
  patch "{\"spec\":{\"restore\":{\"basis\":{\"number\":\"77/SNV-VP\",\"date\":\"$(there)\",\"issuer\":\"Sở Nội vụ\"},\"receivedAt\":\"$(moment)\"}}}"
  stage MustChangePassword
  first_access $whose $who
  arrives $whose $who Trong-khi-khoa
  stage Active
  say "and reads what came while it was locked"
  show_notices

  title "   Retirement: the official last day (5.4.b) has come"
  patch "{\"spec\":{\"endsOn\":\"$(there)\",\"ending\":{\"basis\":{\"number\":\"81/SNV-VP\",\"date\":\"$(there)\",\"issuer\":\"Sở Nội vụ\"}}}}"
  stage Revoked
  wait_until "no login" refused $whose $who
  local answer
  answer=$(from_outside $whose Sau-khi-nghi)
  case $answer in *5.2.1*) say "mail from outside: $answer" ;; *) fail "mail to a revoked holder should be refused for good: $answer" ;; esac

  title "   Undone: the same mail, address and password"
  patch '{"spec":{"endsOn":null,"ending":null}}'
  stage Active
  wait_until "a login with the same password" logs_in $whose $who
  arrives $whose $who Trong-khi-khoa
  say "logs in with the same password, and the mail is there"
  kubectl_mail explain $whose -n $ns --now "$(moment)"
}

life_brake() {
  local count
  title "   Day $last_day: automation stops before it shuts out many (D-15)"
  say "The province's other agencies come on day 95; nobody gives their mailboxes a first access."
  kubectl -n $ns apply -f manifests/gialai/agencies > /dev/null
  count=$(find manifests/gialai/agencies -name '*.yaml' | wc -l)
  issued() { [ "$(get mbx -o jsonpath='{range .items[*]}{.status.address}{"\n"}{end}' | grep -c .)" -gt "$count" ]; }
  wait_until "a mailbox of each agency" issued
  rehearse $last_day
  held() { [ -n "$(get msys gialai -o jsonpath='{.status.held.token}')" ]; }
  wait_until "what the brake holds" held
  show kubectl -n $ns get msys
  say "Ready: $(ready_of msys gialai)"
  say "first passwords that are due (6.2.d) and held: $(get msys gialai -o jsonpath='{.status.held.count}'); of these mailboxes locked: $(
    get mbx -o jsonpath='{range .items[?(@.status.state=="Locked")]}{.metadata.name}{"\n"}{end}' | grep -vc agency-snv || :)"
  say "They go on until a person confirms it (D-15). Nobody does here. (This step of time replaces the mail pod: until it is there again, status says so.)"
  kubectl_mail status -n $ns --now "$(moment)"
}
