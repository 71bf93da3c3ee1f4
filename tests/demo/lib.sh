# What the parts of the demo share; `source`d. $ns is the namespace that is looked at.
# shellcheck shell=bash
if [ -t 1 ]; then title() { printf '\n\033[1m%s\033[0m\n' "$*"; }; else title() { printf '\n%s\n' "$*"; }; fi
show() { printf '$ %s\n' "$*"; "$@"; }
say() { printf '  %s\n' "$*"; }
fail() {
  printf '\nFAILED: %s\n' "$*"
  not_ready
  kubectl -n "$ns" get msys,pods -o wide || :
  echo "Look at: kubectl -n $operator logs -l app.kubernetes.io/name=mail-operator --prefix --tail=100; kubectl -n $ns describe pod gialai-0"
  exit 1
}

limit=240 # seconds that a wait may take
named=5   # objects that are named at once
site=mail.gialai.gov.vn

# What is not Ready, with reason and message: the MailSystem first, since all others wait for it.
line='{{range .items}}{{$ready := ""}}{{$why := "not looked at yet"}}{{range .status.conditions}}{{if eq .type "Ready"
  }}{{$ready = .status}}{{$why = printf "%s: %s" .reason .message}}{{end}}{{end}}{{if ne $ready "True"
  }}{{printf "      %s %s: %.400s\n" .kind .metadata.name $why}}{{end}}{{end}}'
not_ready() {
  kubectl -n "$ns" get mailsystem,quotapolicy,agency,mailbox --request-timeout=10s -o go-template="$line" 2> /dev/null |
    awk -v named=$named 'NR <= named; END {if (NR > named) print "      … and " NR - named " more"}' || :
}

# wait_until "what" command …: asks until the command (a function, too) agrees; after 40 s, then every 15 s, says what is not Ready.
wait_until() {
  local what=$1 begin=$SECONDS said=$((SECONDS + 25)) why
  shift
  until "$@" > /dev/null 2>&1; do
    [ $((SECONDS - begin)) -lt $limit ] || fail "$what: not within $limit s"
    if [ $((SECONDS - said)) -lt 15 ]; then sleep 0.5; continue; fi
    said=$SECONDS
    why=$(not_ready)
    [ -z "$why" ] || printf '  … %s: not after %d s; not Ready are\n%s\n' "$what" $((SECONDS - begin)) "$why"
  done
}
all_ready() { wait_until "$1 Ready" kubectl -n "$ns" wait --for=condition=Ready --timeout=15s "${@:2}"; }

get() { timeout 20 kubectl -n "$ns" get "$@"; }

# install NAMESPACE SERVED HELM-OPTION …: the chart in a namespace, for another one that it serves.
install() {
  local to=$1 served=$2
  shift 2
  kubectl create namespace "$served" --dry-run=client -o yaml | kubectl apply -f - > /dev/null
  kubectl label --overwrite namespace "$served" pod-security.kubernetes.io/enforce=restricted > /dev/null
  local command=(helm upgrade --install mail-operator charts/mail-operator --namespace "$to" --create-namespace
    --set "image.repository=${MAIL_OPERATOR_IMAGE%:*}" --set "image.tag=${MAIL_OPERATOR_IMAGE##*:}"
    --set "mailImage=$MAIL_OPERATOR_MAIL_IMAGE" --set "namespaces={$served}" "$@" --wait --timeout 180s)
  printf '$ %s\n' "${command[*]}"
  "${command[@]}" > /dev/null || fail "the chart"
}

pids= cookies=$(mktemp) living= life_log=
end() {
  local pid child
  for pid in $pids; do # a loop, and then its kubectl
    child=$(pgrep -P "$pid" || :)
    kill "$pid" $child 2> /dev/null || :
  done
  [ -z "$living" ] || kill "$living" 2> /dev/null || :
  rm -f "$cookies" "$life_log"
}
trap end EXIT

# connect BASE: the addresses of the mail server and of the password page of $ns. Outside of the node by port-forward, to ports from BASE on.
connect() {
  if [ -n "${DEMO_INSIDE:-}" ]; then # inside the node Services can be reached
    address_of() { get svc "$1" -o jsonpath='{.spec.clusterIP}'; }
    host=$(address_of gialai) imaps=993 submission=587 mx=$(address_of gialai-mx) smtp=25 page=$(address_of gialai-portal) https=443
    return
  fi
  host=127.0.0.1 mx=127.0.0.1 page=127.0.0.1
  imaps=$(($1 + 993)) submission=$(($1 + 587)) smtp=$(($1 + 25)) https=$(($1 + 443))
  # kubectl ends a forward at the first connection that is reset, and when the pod is replaced, hence the loops
  forward() { while :; do kubectl -n "$1" port-forward "$2" "$3" > /dev/null || :; sleep 0.2; done 2> /dev/null; }
  forward "$ns" svc/gialai $imaps:993 & pids="$pids $!"
  forward "$ns" svc/gialai $submission:587 & pids="$pids $!"
  forward "$ns" svc/gialai-mx $smtp:25 & pids="$pids $!"
  forward "$ns" svc/gialai-portal $https:443 & pids="$pids $!"
  listening
}
listening() {
  local port
  for port in $imaps $submission $smtp $https; do
    for _ in $(seq 100); do (: < /dev/tcp/127.0.0.1/"$port") 2> /dev/null && break; sleep 0.1; done
  done
}
# After the pod was replaced: kubectl would find out with the next connection, and lose that.
connect_again() {
  local pid
  [ -z "${DEMO_INSIDE:-}" ] || return 0
  for pid in $pids; do pkill -P "$pid" -x kubectl || :; done
  sleep 1
  listening
}

# shellcheck source=tests/demo/browser.sh
. tests/demo/browser.sh

# Passwords by mailbox. They are typed and never printed.
declare -A password
initial_password() { get secret "$1-credentials" -o jsonpath='{.data.initialPassword}' 2> /dev/null | base64 -d; }
has_initial_password() { [ -n "$(initial_password "$1")" ]; }
imap() { curl -sSk --max-time 20 --url "imaps://$host:$imaps/$3" --user "$1:${password[$2]}" "${@:4}"; }
logs_in() { imap "$1" "$2" "" -X NOOP > /dev/null 2>&1; }
# What IMAP says to somebody whom it does not let in.
imap_says() { imap "$1" "$2" "" -X NOOP -v 2>&1 | tr -d '\r' | grep -oE '^< [A-Z0-9]+ NO .*' | cut -d' ' -f3- | head -n 1 || :; }
refused() { [ -n "$(imap_says "$@")" ]; }

# browse CURL-OPTION …: the password page, in Vietnamese, with the cookies of this run.
browse() {
  curl -sSk --max-time 20 --connect-to "$site:443:$page:$https" --cookie-jar "$cookies" --cookie "$cookies" -H 'Accept-Language: vi' "$@" "https://$site/"
}
# change_password ADDRESS CURRENT NEW: sends the form as a browser does; the page that comes.
change_password() {
  local token
  token=$(browse | grep -oE 'name="token" value="[^"]*"' | cut -d'"' -f4)
  browse --location --header "Origin: https://$site" --data-urlencode "token=$token" --data-urlencode "address=$1" \
    --data-urlencode "current=$2" --data-urlencode "new=$3" --data-urlencode "again=$3"
}
heading() { grep -oE '<h1[^>]*>[^<]*' | sed 's/.*>//'; }
# Why an account is locked, as the page says it.
reason() { grep -oE '<li><strong>[^<]*</strong> <span>[^<]*' | sed 's/<[^>]*>//g' | paste -sd';'; }
# As 9.2 wants it; nobody sees it.
new_password() { printf 'Bh1@%s' "$(head -c 12 /dev/urandom | base64 | tr -dc 'A-Za-z0-9')"; }

# first_access ADDRESS MAILBOX: with the initial password mail refuses; the page changes it (9.1).
first_access() {
  local says new=0 told
  # In a cluster that has seen this demo the holder has changed it already: another one is made.
  has_initial_password "$2" || kubectl -n "$ns" delete secret "$2-credentials" > /dev/null
  wait_until "a first password for $2" has_initial_password "$2"
  password[$2]=$(initial_password "$2")
  for _ in $(seq 40); do
    says=$(imap_says "$1" "$2")
    case $says in *initial*) break ;; *) sleep 0.5 ;; esac
  done
  case $says in *initial*) ;; *) fail "the initial password of $1 should open the password page alone; IMAP says: ${says:-nothing}" ;; esac
  say "$1 with the first password: IMAP says «$says»"
  wait_until "the password page" browse --fail
  new=$(new_password)
  if has_browser; then
    told=$(in_browser "$2" "$1" "${password[$2]}" "$new" || :)
  else
    told=$(change_password "$1" "${password[$2]}" "$new" | heading || :)
  fi
  [ "$told" = "Đã đổi mật khẩu" ] || fail "the password page did not change the password of $1; it says: $told"
  password[$2]=$new
  wait_until "mail takes the new password of $1" logs_in "$1" "$2"
  say "$1 on the password page: «$told», and IMAP lets in"
}

mail() { printf 'From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@demo.invalid>\r\n\r\n%s\r\n' "$1" "$2" "$3" "$(date -R)" "$RANDOM$RANDOM" "$4"; }
# from_outside TO SUBJECT: what port 25 answers.
from_outside() {
  local answer
  for _ in 1 2 3; do
    answer=$(mail someone@example.org "$1" "$2" "Hello." | curl -sv --max-time 30 --url "smtp://$mx:$smtp" --mail-from someone@example.org \
      --mail-rcpt "$1" --upload-file - 2>&1 | tr -d '\r' | grep -E '^< (5|250 2\.0\.0)' | head -n 1 | cut -c3- || :)
    [ -z "$answer" ] || break
    sleep 1
  done
  printf '%s' "$answer"
}
accepts() { # what to say when it does not
  local answer
  answer=$(from_outside "$1" "$2")
  case $answer in 250*) ;; *) fail "$3: $answer" ;; esac
}
arrives() { # address mailbox subject
  for _ in $(seq 60); do
    imap "$1" "$2" "INBOX?SUBJECT%20$3" 2> /dev/null | grep -qE 'SEARCH [0-9]' && return 0
    sleep 0.5
  done
  fail "mail «$3» did not arrive at $1"
}

# kubectl_mail SUBCOMMAND …: what the plugin says, where it has that.
kubectl_mail() {
  if ! kubectl mail "$1" --help > /dev/null 2>&1; then
    say "(kubectl mail $1: this plugin does not have it, or there is none: make cli)"
    return
  fi
  show kubectl mail "$@" | awk 'NR <= 14; END {if (NR > 14) print "…"}' || :
}
