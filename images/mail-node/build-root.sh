#!/bin/sh
# build-root.sh OUT.tar: the root file system of the image mail-node (Debian 13) as a tar.
#
# Needs root, mmdebstrap, a C compiler and a debian-archive-keyring with the keys of Debian 13.
#   DEBIAN_MIRROR, DEBIAN_SECURITY_MIRROR   base addresses of the two archives; without them those of
#                                           this machine's own package sources, else deb.debian.org
#   SOURCE_DATE_EPOCH                       the time that the build pretends to happen at
# Two builds from the same state of the archive give the same files.
set -eu
out=$1
here=$(dirname "$(readlink -f "$0")")
suite=trixie
keys=/usr/share/keyrings
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1767225600}"
umask 022

fail() {
  echo "build-root.sh: $*" >&2
  exit 1
}

# own_source SUFFIX: the first http(s) address in this machine's package sources that serves a Debian
# suite with this suffix ("" or "-security") and the component main.
own_source() {
  # shellcheck disable=SC1091
  [ -r /etc/os-release ] && [ "$(. /etc/os-release && echo "${ID:-}")" = debian ] || return 0
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -r "$file" ] || continue
    sed -E 's/#.*//; s/\[[^]]*\]//' "$file" | awk '$1 == "deb" { print $2, $3, substr($0, index($0, $3)) }'
  done > "$work/sources"
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] || continue
    awk 'function flush() { if (uri != "" && on) print uri, suites, suites " " parts; uri = suites = parts = ""; on = 1 }
      BEGIN { on = 1 } /^#/ { next } /^[[:space:]]*$/ { flush(); next }
      { key = tolower($1); sub(/^[^:]*:[[:space:]]*/, "") }
      key == "enabled:" && tolower($1) == "no" { on = 0 }
      key == "uris:" { uri = $1 } key == "suites:" { suites = $0 } key == "components:" { parts = $0 }
      END { flush() }' "$file"
  done >> "$work/sources"
  awk -v suffix="$1" '$1 ~ /^https?:/ && / main( |$)/ {
      for (i = 2; i <= NF; i++)
        if ($i ~ "^(bookworm|trixie|forky|oldstable|stable|testing|unstable|sid)" suffix "$") { print $1; exit }
    }' "$work/sources"
}

[ "$(id -u)" = 0 ] || fail "must run as root"
command -v mmdebstrap > /dev/null || fail "mmdebstrap is missing (apt-get install mmdebstrap)"
compiler=${CC:-cc}
command -v "$compiler" > /dev/null || fail "no C compiler $compiler (apt-get install gcc libc6-dev)"
for key in stable automatic security-automatic; do
  [ -r "$keys/debian-archive-$suite-$key.gpg" ] ||
    fail "$keys/debian-archive-$suite-$key.gpg is missing: debian-archive-keyring of 2025 or later is needed"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mirror=${DEBIAN_MIRROR:-$(own_source "")}
security=${DEBIAN_SECURITY_MIRROR:-$(own_source -security)}
mirror=${mirror:-http://deb.debian.org/debian}
security=${security:-http://deb.debian.org/debian-security}
packages=$(tr -s '\n ' ',' < "$here/packages" | sed 's/,$//')

ASROOT=$work/asroot.so
export ASROOT
"$compiler" -Os -Wall -shared -fPIC -nostdlib -s -o "$ASROOT" "$here/asroot.c"

mmdebstrap --mode=root --variant=essential --components=main --format=tar --skip=cleanup/run --quiet \
  --keyring="$keys/debian-archive-$suite-stable.gpg" \
  --keyring="$keys/debian-archive-$suite-automatic.gpg" \
  --keyring="$keys/debian-archive-$suite-security-automatic.gpg" \
  --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/lintian/*' --dpkgopt='path-exclude=/usr/share/bug/*' \
  --dpkgopt='path-exclude=/usr/share/i18n/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='force-unsafe-io' \
  --essential-hook="sh '$here/users.sh' \"\$1\"" --customize-hook="sh '$here/prune.sh' \"\$1\"" \
  "$suite" "$out" \
  "deb $mirror $suite main" "deb $mirror $suite-updates main" "deb $security $suite-security main"
