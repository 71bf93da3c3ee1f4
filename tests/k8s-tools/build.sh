#!/usr/bin/env bash
# Builds the Kubernetes programs that the tests run, from Go modules, each upstream project once per content.
#   build.sh CACHE_DIR [PROJECT ...]     prints one line a project: the directory with its binaries
# A project's directory is named after the hash of everything that decides its binaries, so a change of nothing builds
# nothing, and two runs at once build once (file lock).
set -euo pipefail
cache=${1:?usage: build.sh CACHE_DIR [PROJECT ...]}; shift
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- etcd k8s coredns helm kube-router # flux: only for the tests that deliver by it
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
go=$(go env GOVERSION)

# The version that `kubectl version`, helm and the node object report comes from the linker.
k8s_flags() {
  local v=$1 minor=${1#v1.} p
  minor=${minor%%.*}
  for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s' "$p" "$v" "$p" "$p" "$minor"
    printf ' -X %s.gitTreeState=clean -X %s.gitCommit=unknown -X %s.buildDate=1970-01-01T00:00:00Z' "$p" "$p" "$p"
  done
}

count=0
for project in "$@"; do
  count=$((count + 1))
  dir=$here/$project
  flags="-s -w"
  case $project in
    k8s)
      flags+=$(k8s_flags "$(awk '$1 == "k8s.io/kubernetes" {print $2}' "$dir/go.mod")")
      packages=(k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,kube-proxy,kubectl}) ;;
    etcd) packages=(go.etcd.io/etcd/server/v3) ;;
    coredns) packages=(.) ;;
    helm) packages=(helm.sh/helm/v4/cmd/helm) ;;
    kube-router) packages=(github.com/cloudnativelabs/kube-router/v2/cmd/kube-router) ;;
    flux) packages=(github.com/fluxcd/{source,kustomize}-controller) ;;
    *) echo "build.sh: unknown project '$project'" >&2; exit 2 ;;
  esac
  hash=$({ echo "$go $flags ${packages[*]}"; cat "$dir"/go.mod "$dir"/go.sum "$dir"/*.go 2>/dev/null || :; } | sha256sum | cut -c1-16)
  out=$cache/tools/$project-$hash
  mkdir -p "$cache/tools"
  exec 9>"$cache/tools/$project.lock"
  flock 9
  if [ ! -d "$out" ]; then
    start=$SECONDS
    echo "building $project ($count of $#) with $go" >&2
    rm -rf "$out.tmp"; mkdir -p "$out.tmp"
    target=$out.tmp/
    case $project in etcd | coredns) target=$out.tmp/$project ;; esac
    CGO_ENABLED=0 go build -C "$dir" -buildvcs=false -trimpath -ldflags "$flags" -o "$target" "${packages[@]}" >&2
    if [ "$project" = flux ]; then # their kinds lie beside their code
      mkdir "$out.tmp/crds"
      for package in "${packages[@]}"; do
        cp "$(go list -C "$dir" -m -f '{{.Dir}}' "$package")"/config/crd/bases/*.yaml "$out.tmp/crds/"
      done
      chmod -R u+w "$out.tmp/crds"
    fi
    mv "$out.tmp" "$out"
    echo "built $project in $((SECONDS - start)) s" >&2
  fi
  exec 9>&-
  echo "$out"
done
