#!/usr/bin/env bash
# Builds what a release holds: wheel, source archive, install.sh and SHA256SUMS.
#
#   tools/build-release.sh --output DIR
#   tools/build-release.sh --output DIR --tag v0.1.0    refused unless the package has that version
#   tools/build-release.sh --print-version
#
# The same commit gives the same bytes: times in the archives are the commit's, or SOURCE_DATE_EPOCH's. Uses
# hatchling where this Python has it, else installs it into a virtual environment of its own for the time being.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

output='' tag='' print=0
while (($#)); do
  case $1 in
    --output) output=${2:?--output needs a folder}; shift ;;
    --tag) tag=${2:?--tag needs a tag}; shift ;;
    --print-version) print=1 ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) printf 'build-release.sh: unknown argument %s; see --help\n' "$1" >&2; exit 64 ;;
  esac
  shift
done
if [[ -n $output ]]; then
  mkdir -p "$output"
  output=$(cd "$output" && pwd)
fi

cd "$top"
# shellcheck source=tools/prepare.bash
source tools/prepare.bash
need_python

version=$(sed -n 's/^__version__ = "\([^"]*\)"$/\1/p' vmmcompose/__init__.py)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+([a-z0-9.+-]*)$ ]] || die "vmmcompose/__init__.py has no version"
if ((print)); then
  printf '%s\n' "$version"
  exit 0
fi
[[ -n $output ]] || die "where to? --output DIR"
[[ -z $tag || $tag == "v$version" ]] || die "tag $tag, but the package is $version: change __version__ or the tag"
if [[ -n $tag ]] && ! grep -qE "^## ${version//./\\.}( |$)" CHANGELOG.md; then
  die "CHANGELOG.md has no part on $version"
fi

: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || true)}"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800}

work=$(mktemp -d "${TMPDIR:-/tmp}/vmm-release.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
builder=''
for candidate in "${VIRTUAL_ENV:-/nonexistent}/bin/python" .venv/bin/python "$PYTHON"; do
  if "$candidate" -c 'import hatchling' 2>/dev/null; then
    builder=$candidate
    break
  fi
done
if [[ -z $builder ]]; then
  say "installing hatchling for this build"
  "$PYTHON" -m venv "$work/venv"
  "$work/venv/bin/python" -m pip install -q --disable-pip-version-check 'hatchling>=1.24' </dev/null >&2
  builder=$work/venv/bin/python
fi

umask 022
"$builder" -m hatchling build -d "$work/dist" -t wheel -t sdist >&2
install -m 644 tools/install.sh "$work/dist/install.sh"
wheel=vmmcompose-$version-py3-none-any.whl
[[ -f $work/dist/$wheel ]] || die "there is no $wheel in $(ls "$work/dist")"
"$builder" - "$work/dist/$wheel" <<'PYTHON'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
for wanted in ("vmmcompose/__main__.py", "vmmcompose/schemas/vmm.schema.json"):
    if wanted not in names:
        sys.exit(f"build-release.sh: the wheel lacks {wanted}")
PYTHON
(cd "$work/dist" && LC_ALL=C sha256sum -- * >"$work/SHA256SUMS")
install -m 644 -t "$output" "$work"/dist/* "$work/SHA256SUMS"
printf '%s\n' "$version"
