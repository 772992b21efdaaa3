#!/usr/bin/env bash
# Builds a kernel with `vmm kernel build` and lays out what a release holds.
#
#   tools/build-kernel.sh --version 6.1 --profile default --output DIR
#   tools/build-kernel.sh --source package --profile minimal --output DIR
#   tools/build-kernel.sh --version 6.1 --print-version      only the newest patch of that series
#
# DIR gets vmlinux-VERSION, bzImage-VERSION, config-VERSION and SHA256SUMS. Further options go to
# `vmm kernel build` (--jobs N). Sets up the virtual environment of this checkout where there is none.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

output=
print=0
options=()
while (($#)); do
  case $1 in
    --output) output=${2:?--output needs a folder}; shift ;;
    --print-version) print=1 ;;
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;;
    *) options+=("$1") ;;
  esac
  shift
done
[[ -z $output ]] || output=$(mkdir -p "$output" && cd "$output" && pwd)

cd "$top"
source tools/prepare.bash
need_python
need_venv
vmm=$top/.venv/bin/vmm

if ((print)); then
  exec "$vmm" kernel build "${options[@]}" --print-version
fi
[[ -n $output ]] || die "where to? --output DIR"

store=$(mktemp -d "${TMPDIR:-/tmp}/vmm-kernel.XXXXXX")
trap 'rm -rf -- "$store"' EXIT
"$vmm" --data-dir "$store" kernel build "${options[@]}" --name release </dev/null >/dev/null
kernel=$store/images/kernels/release
version=$("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["version"])' "$kernel/kernel.json")
for part in vmlinux bzImage config; do
  if [[ -f $kernel/$part ]]; then
    install -m 644 "$kernel/$part" "$output/$part-$version"
  fi
done
(cd "$output" && sha256sum -- *-"$version" >SHA256SUMS)
printf '%s\n' "$version"
