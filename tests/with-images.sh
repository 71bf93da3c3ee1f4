#!/usr/bin/env bash
# Runs a command with the images of this tree built and named in its environment:
#   MAIL_OPERATOR_IMAGE, MAIL_OPERATOR_MAIL_IMAGE, MAIL_OPERATOR_ARCHIVES (OCI tars, separated by commas)
set -euo pipefail
profile=${PROFILE:-debug}
cargo build --locked --quiet --bin mail-operator $([ "$profile" = release ] && echo --release || :)
folder=$(mktemp -d)
strip -o "$folder/mail-operator" "$CARGO_TARGET_DIR/$profile/mail-operator"
images=$("$CARGO_TARGET_DIR/debug/testbed" images "$folder/mail-operator")
rm -rf "$folder"
export MAIL_OPERATOR_IMAGE MAIL_OPERATOR_MAIL_IMAGE MAIL_OPERATOR_ARCHIVES
MAIL_OPERATOR_IMAGE=$(awk '/\/mail-operator:/ {print $1}' <<< "$images")
MAIL_OPERATOR_MAIL_IMAGE=$(awk '/\/mail-node:/ {print $1}' <<< "$images")
MAIL_OPERATOR_ARCHIVES=$(awk '{print $2}' <<< "$images" | paste -sd,)
exec "$@"
