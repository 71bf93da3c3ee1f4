# The password page in a real browser: headless Chromium, spoken to as https://www.w3.org/TR/webdriver2 says; `source`d.
# shellcheck shell=bash disable=SC2154

# What it shows is kept here.
pictures=${MAIL_OPERATOR_CACHE:-$HOME/.cache/mail-operator}/demo-pages
has_browser() { command -v chromedriver > /dev/null; }

# driver METHOD PATH [JSON]: JSON goes by the standard input, since there may be passwords in it.
driver() { printf '%s' "${3:-}" | curl -sS --fail --max-time 30 -X "$1" -H 'Content-Type: application/json' ${3:+--data-binary @-} "http://127.0.0.1:$driver_port$2"; }
element() { driver POST "$window/element" "{\"using\": \"css selector\", \"value\": \"$1\"}" | grep -oE '"element-[^"]*":"[^"]*"' | cut -d'"' -f4; }
type_in() { driver POST "$window/element/$(element "#$1")/value" "{\"text\": \"$2\"}" > /dev/null; }
headline() { driver GET "$window/element/$(element h1)/text" | grep -oE '"value":"[^"]*"' | cut -d'"' -f4; }
picture() { driver GET "$window/screenshot" | grep -oE '"value":"[^"]*"' | cut -d'"' -f4 | base64 -d > "$pictures/$1.png"; }

# in_browser NAME ADDRESS CURRENT NEW: the form, filled in and sent on a telephone; the headline of the page that comes.
in_browser() {
  local home process driver_port window told=
  home=$(mktemp -d)
  mkdir -p "$pictures"
  HOME=$home TMPDIR=$home chromedriver --port=0 > "$home/said" 2>&1 &
  process=$!
  for _ in $(seq 100); do
    driver_port=$(grep -oE 'successfully on port [0-9]+' "$home/said" | grep -oE '[0-9]+' || :)
    [ -z "$driver_port" ] || break
    sleep 0.1
  done
  # As root, in a container, Chromium's own sandbox cannot be made; it only sees our page.
  window=/session/$(driver POST /session "{\"capabilities\": {\"alwaysMatch\": {\"acceptInsecureCerts\": true, \"goog:chromeOptions\": {
    \"mobileEmulation\": {\"deviceMetrics\": {\"width\": 390, \"height\": 1000, \"pixelRatio\": 2.0, \"touch\": true}},
    \"args\": [\"--headless=new\", \"--no-sandbox\", \"--disable-gpu\", \"--disable-dev-shm-usage\", \"--accept-lang=vi-VN,vi\", \"--hide-scrollbars\",
      \"--host-resolver-rules=MAP $site:443 $page:$https\"]}}}}" | grep -oE '"sessionId":"[^"]*"' | cut -d'"' -f4)
  if driver POST "$window/url" "{\"url\": \"https://$site/\"}" > /dev/null && type_in address "$2" && type_in current "$3" &&
    type_in new "$4" && type_in again "$4" && picture "$1-form" && driver POST "$window/element/$(element 'form button')/click" "{}" > /dev/null; then
    for _ in $(seq 60); do
      told=$(headline || :)
      [ "$told" = "Đổi mật khẩu" ] || [ -z "$told" ] || break
      sleep 0.25
    done
    picture "$1-answer" || :
    printf '%s' "$told"
  fi
  driver DELETE "$window" > /dev/null || :
  kill "$process" 2> /dev/null || :
  wait "$process" 2> /dev/null || :
  rm -rf "$home"
}
