# What the scripts here share: packages, virtual environment, kernel and image. To be sourced, not run.
# Everything that is there already is left alone, so a second call is quick.

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$(basename "$0"): $*"
  exit 1
}

# The system's Python where it is new enough: one in somebody's home cannot be run by the other users whom some
# tests play.
PYTHON=/usr/bin/python3
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || PYTHON=python3

# Programs that vmm runs, its image builders included, each with the Debian package that has it.
# shellcheck disable=SC2034 # the scripts that source this use it
PROGRAMS=(
  qemu-system-x86_64:qemu-system-x86 iptables-restore:iptables ip:iproute2 mke2fs:e2fsprogs ssh:openssh-client
  busybox:busybox-static lz4:lz4 zstd:zstd xz:xz-utils curl:curl
  unsquashfs:squashfs-tools
)

# Debian packages for the programs that are missing. Arguments: program:package …
need_programs() {
  local pair missing=()
  for pair in "$@"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  ((${#missing[@]})) || return 0
  local wanted
  wanted=$(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')
  ((EUID == 0)) || die "missing packages: $wanted; run this as root, or: sudo apt-get install $wanted"
  command -v apt-get >/dev/null || die "missing: $wanted; install them with this system's package manager"
  say "installing $wanted"
  export DEBIAN_FRONTEND=noninteractive
  # A list that is a day old may name files that are gone; one refresh is enough.
  apt-get install -y -q --no-install-recommends $wanted >/dev/null 2>&1 </dev/null ||
    { apt-get update -q >/dev/null </dev/null && apt-get install -y -q --no-install-recommends $wanted >/dev/null </dev/null; } ||
    die "apt-get could not install $wanted"
}

need_python() {
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Python 3.11 or newer is needed; this is $("$PYTHON" -V 2>&1)"
}

# The virtual environment .venv with this checkout in it. Argument: the extras, e.g. "[dev]", or nothing.
need_venv() {
  local extras=${1:-} stamp want
  want=$(sha256sum pyproject.toml | cut -c1-64)
  stamp=.venv/.installed$extras
  if [[ -x .venv/bin/vmm && -f $stamp && $(<"$stamp") == "$want" ]] && .venv/bin/vmm --version >/dev/null 2>&1; then
    return 0
  fi
  .venv/bin/python -c pass 2>/dev/null || "$PYTHON" -m venv --clear .venv
  PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
    .venv/bin/python -m pip install -q -e ".$extras" </dev/null || die "pip could not install vmm"
  printf '%s' "$want" >"$stamp"
}

# A kernel and the image `tiny` in a data folder. Argument: the folder.
need_store() {
  local store=$1
  [[ -e $store/images/kernels/default ]] ||
    .venv/bin/vmm --data-dir "$store" kernel import --from-package </dev/null
  [[ -e $store/images/rootfs/tiny.ext4 ]] ||
    .venv/bin/vmm --data-dir "$store" image build tiny </dev/null
}
