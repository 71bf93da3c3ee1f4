#!/usr/bin/env bash
# Licences, sources and duplicate versions of dependencies. cargo-deny is built once into the cache.
set -euo pipefail
cache=$1 version=0.20.2
tool=$cache/cargo-deny-$version
if [ ! -x "$tool/bin/cargo-deny" ]; then
  echo "building cargo-deny $version (once, some minutes) ..."
  CARGO_TARGET_DIR=$cache/cargo-deny-target cargo install --quiet --locked --root "$tool" cargo-deny@$version
  rm -rf "$cache/cargo-deny-target"
fi
exec "$tool/bin/cargo-deny" --locked --workspace check licenses bans sources
