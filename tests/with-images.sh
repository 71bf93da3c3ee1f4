#!/usr/bin/env bash
# Runs a command with the images of this tree built and named in its environment:
#   MAIL_OPERATOR_IMAGE, MAIL_OPERATOR_MAIL_IMAGE, MAIL_OPERATOR_ARCHIVES (OCI tars, separated by commas)
# FLUX=1 adds Flux's controllers: FLUX_SOURCE_IMAGE, FLUX_KUSTOMIZE_IMAGE, FLUX_CRDS (a folder).
set -euo pipefail
profile=${PROFILE:-debug}
[ -x "$CARGO_TARGET_DIR/$profile/mail-operator" ] || echo "▸ the operator, $profile build (the first time takes some minutes)" >&2
# Beside the tests: they are built with features of their own, and a debug build for each would be built twice.
cargo build --locked --quiet --bin mail-operator $([ "$profile" = release ] && echo --release || echo --test cluster)
folder=$(mktemp -d)
strip -o "$folder/mail-operator" "$CARGO_TARGET_DIR/$profile/mail-operator"
images=$("$CARGO_TARGET_DIR/debug/testbed" images "$folder/mail-operator")
rm -rf "$folder"
export MAIL_OPERATOR_IMAGE MAIL_OPERATOR_MAIL_IMAGE MAIL_OPERATOR_ARCHIVES
MAIL_OPERATOR_IMAGE=$(awk '/\/mail-operator:/ {print $1}' <<< "$images")
MAIL_OPERATOR_MAIL_IMAGE=$(awk '/\/mail-node:/ {print $1}' <<< "$images")
MAIL_OPERATOR_ARCHIVES=$(awk '{print $2}' <<< "$images" | paste -sd,)
if [ "${FLUX:-}" = 1 ]; then
  flux=$("$(dirname "$0")/k8s-tools/build.sh" "$MAIL_OPERATOR_CACHE" flux)
  export FLUX_SOURCE_IMAGE FLUX_KUSTOMIZE_IMAGE FLUX_CRDS=$flux/crds
  for controller in source kustomize; do
    image=$("$CARGO_TARGET_DIR/debug/testbed" image "flux-$controller" "$flux/$controller-controller")
    declare "FLUX_${controller^^}_IMAGE=${image%% *}"
    MAIL_OPERATOR_ARCHIVES+=,$(awk '{print $2}' <<< "$image")
  done
fi
exec "$@"
