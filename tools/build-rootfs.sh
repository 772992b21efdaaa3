#!/usr/bin/env bash
# Builds a root filesystem with `vmm image build` and lays out what a release holds. Needs root.
#
#   tools/build-rootfs.sh --output DIR                       ubuntu-24.04
#   tools/build-rootfs.sh --recipe debian-12 --output DIR
#   tools/build-rootfs.sh --recipe tiny --format gz --output DIR
#   tools/build-rootfs.sh --print-tag                        only the tag of a release made today
#
# DIR gets RECIPE-ARCHITECTURE.ext4.zst (or .gz), the list of packages in it, and SHA256SUMS. Sets up the virtual
# environment of this checkout where there is none. VMM_UBUNTU_MIRROR names another mirror than Ubuntu's own.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

output=
recipe=ubuntu-24.04
format=zst
print=0
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
while (($#)); do
  case $1 in
    --output) output=${2:?--output needs a folder}; shift ;;
    --recipe) recipe=${2:?--recipe needs a name}; shift ;;
    --format) format=${2:?--format needs zst or gz}; shift ;;
    --print-tag) print=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
  esac
  shift
done
cd "$top"
source tools/prepare.bash
[[ $format == zst || $format == gz ]] || die "--format is zst or gz, not $format"

if ((print)); then
  printf 'rootfs-%s-%s\n' "${recipe#ubuntu-}" "$(date -u +%Y%m%d)"
  exit
fi
[[ -n $output ]] || die "where to? --output DIR"
((EUID == 0)) || die "the files in it belong to root: run this with sudo"
need_python
need_programs busybox:busybox-static mke2fs:e2fsprogs mmdebstrap:mmdebstrap zstd:zstd
need_venv
output=$(mkdir -p "$output" && cd "$output" && pwd)

store=$(mktemp -d "${TMPDIR:-/tmp}/vmm-rootfs.XXXXXX")
trap 'rm -rf -- "$store"' EXIT
.venv/bin/vmm --data-dir "$store" image build "$recipe" --name release </dev/null >/dev/null
image=$store/images/rootfs/release
name=$recipe-$(uname -m)
part=$output/.$name.ext4.$format.part
trap 'rm -rf -- "$store" "$part"' EXIT
case $format in
  zst) zstd -q -f -19 -T0 -o "$part" "$image.ext4" ;;
  gz) gzip -9 -n -c "$image.ext4" >"$part" ;;
esac
chmod 644 "$part"
mv "$part" "$output/$name.ext4.$format"
"$PYTHON" - "$image.json" >"$output/$name.packages" <<'END'
import json, sys
for name, version in sorted(json.load(open(sys.argv[1]))["packages"].items()):
    print(name, version)
END
(cd "$output" && sha256sum -- "$name.ext4.$format" "$name.packages" >SHA256SUMS)
printf '%s\n' "$output/$name.ext4.$format"
