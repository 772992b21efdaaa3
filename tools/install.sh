#!/bin/sh
# Installs vmm on this machine: finds Python, makes a virtual environment, puts `vmm` on the PATH, and the shells'
# completion beside it. Run again, it upgrades.
#
#   curl -fsSL https://.../install.sh | sh
#   sh install.sh [--version 0.1.0] [--from WHEEL] [--sha256 HEX] [--prefix DIR] [--setup]
#   sh install.sh --uninstall [--purge] [--yes] [--prefix DIR]
#
#   --from WHEEL    a file, or an https address, instead of the package index; the SHA-256 of what is fetched
#                   must be given with --sha256 or stand in SHA256SUMS beside it
#   --prefix DIR    DIR/bin/vmm, DIR/lib/vmm and DIR/share instead of the usual places
#   --setup         runs `vmm setup` afterwards without asking
#   --uninstall     shuts VMs down and removes what vmm made (`vmm uninstall`), then the program
#   --purge, --yes  with --uninstall: also VMs, disks and images; without asking
#
# The usual places: for root /opt/vmm, /usr/local/bin and /usr/local/share. For others pipx where there is one, else
# ~/.local/lib/vmm, ~/.local/bin and ~/.local/share. Nothing else is touched, and nothing of others is replaced.
set -eu

say() { printf '%s\n' "$*" >&2; }

die() {
  say "install.sh: $*"
  exit 1
}

usage() { # the text above; a script that comes through a pipe has no file to read it from
  if [ -f "$0" ]; then sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0"; else say "see the head of install.sh"; fi
}

fresh_python() { # the first Python that is new enough and can make virtual environments
  for candidate in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      newest=$candidate
      if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        printf '%s\n' "$candidate"
        return 0
      fi
    fi
  done
  if [ -n "${newest:-}" ]; then
    die "$newest cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv"
  fi
  die "Python 3.11 or newer is needed; on Debian and Ubuntu: apt-get install python3 python3-venv"
}

fetch() { # URL FILE
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --retry 3 --connect-timeout 20 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 20 -O "$2" "$1"
  else
    die "neither curl nor wget is here"
  fi
}

check_sum() { # FILE HEX
  found=$(sha256sum "$1")
  found=${found%% *}
  [ "$found" = "$2" ] || die "the SHA-256 of $(basename "$1") is $found, not $2; nothing was installed"
}

sum_in() { # SHA256SUMS NAME: the sum that stands there
  awk -v name="$2" '$2 == name || $2 == "*" name { print $1; exit }' "$1"
}

wheel_file() { # prints the path of the wheel that --from means, checked
  name=${from##*/}
  name=${name%%\?*}
  case $name in *.whl) ;; *) die "--from wants a wheel (.whl), not $from" ;; esac
  case $from in
    http://* | https://* | file://*)
      case $from in http://*) [ -n "$sum" ] || die "over plain http --sha256 is needed" ;; esac
      fetch "$from" "$work/$name" || die "$from could not be fetched"
      if [ -z "$sum" ]; then
        fetch "${from%/*}/SHA256SUMS" "$work/SHA256SUMS" ||
          die "there is no SHA256SUMS beside $from; say --sha256"
        sum=$(sum_in "$work/SHA256SUMS" "$name")
        [ -n "$sum" ] || die "SHA256SUMS has no line for $name; say --sha256"
      fi
      ;;
    *)
      [ -f "$from" ] || die "there is no file $from"
      cp "$from" "$work/$name"
      if [ -z "$sum" ] && [ -f "$(dirname "$from")/SHA256SUMS" ]; then
        sum=$(sum_in "$(dirname "$from")/SHA256SUMS" "$name")
      fi
      ;;
  esac
  [ -z "$sum" ] || check_sum "$work/$name" "$sum"
  printf '%s\n' "$work/$name"
}

places() { # where everything goes
  if [ -n "$prefix" ]; then
    case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
    home=$prefix/lib/vmm bin=$prefix/bin share=$prefix/share
  elif [ "$(id -u)" = 0 ]; then
    home=/opt/vmm bin=/usr/local/bin share=/usr/local/share
  else
    home=$HOME/.local/lib/vmm bin=$HOME/.local/bin share=$HOME/.local/share
  fi
}

ours() { # whether bin/vmm may be replaced or removed: it leads into our environment, or is not there
  if [ ! -e "$bin/vmm" ] && [ ! -L "$bin/vmm" ]; then return 0; fi
  [ -L "$bin/vmm" ] && [ "$(readlink "$bin/vmm")" = "$home/bin/vmm" ]
}

put_completion() { # SHELL PATH; a shell that cannot complete is no reason to fail
  mkdir -p "$(dirname "$2")" 2>/dev/null || return 0
  if "$command" completion "$1" >"$2.tmp.$$" 2>/dev/null && mv "$2.tmp.$$" "$2" 2>/dev/null; then
    say "  completion for $1: $2"
  else
    rm -f "$2.tmp.$$"
  fi
}

each_completion() { # COMMAND…: called with shell and path
  "$@" bash "$share/bash-completion/completions/vmm"
  "$@" zsh "$share/zsh/site-functions/_vmm"
  "$@" fish "$share/fish/vendor_completions.d/vmm.fish"
}

drop_completion() { # SHELL PATH
  if [ -f "$2" ] && grep -q _VMM_COMPLETE "$2"; then rm -f "$2"; fi
}

drop_environment() { # what a virtual environment consists of, and nothing else that lies there
  for part in bin lib lib64 include share pyvenv.cfg; do
    rm -rf "${home:?}/$part"
  done
}

install_venv() {
  ours || die "$bin/vmm is another program; remove it, or choose another place with --prefix"
  if [ -e "$home" ] && [ ! -f "$home/.vmm-install" ] && [ -n "$(ls -A "$home" 2>/dev/null)" ]; then
    die "$home is there and was not made by install.sh; choose another place with --prefix"
  fi
  python=$(fresh_python)
  mkdir -p "$home" "$bin"
  : >"$home/.vmm-install"
  if ! "$home/bin/python" -m pip --version >/dev/null 2>&1; then # none yet, or of a Python that is gone
    say "making a virtual environment in $home with $("$python" -V)"
    drop_environment
    "$python" -m venv "$home"
  fi
  say "installing $what"
  # The wheel of the same version may hold other code: --force-reinstall of vmm alone, then what it needs.
  "$home/bin/python" -m pip install -q --disable-pip-version-check --upgrade "$what" </dev/null
  case $what in
    *.whl)
      "$home/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps "$what" </dev/null
      ;;
  esac
  command=$home/bin/vmm
  "$command" --version >/dev/null || die "vmm was installed and does not run; see above"
  ln -sfn "$home/bin/vmm" "$bin/vmm"
}

install_pipx() {
  python=$(fresh_python)
  say "installing $what with pipx"
  pipx install --force --python "$python" "$what" >&2 </dev/null
  command=$bin/vmm
  [ -x "$command" ] || command=$(command -v vmm) || die "pipx put vmm nowhere on the PATH; run: pipx ensurepath"
}

install() {
  what=vmmcompose
  [ -z "$version" ] || what="vmmcompose==$version"
  [ -z "$from" ] || what=$(wheel_file)
  if [ -z "$prefix" ] && [ "$(id -u)" != 0 ] && [ ! -d "$home" ] && command -v pipx >/dev/null 2>&1; then
    install_pipx
  else
    install_venv
  fi
  say "installed $("$command" --version): $bin/vmm"
  each_completion put_completion
  case :$PATH: in *:"$bin":*) ;; *) say "  $bin is not on your PATH: export PATH=\"$bin:\$PATH\"" ;; esac
  offer_setup
}

offer_setup() {
  if ! "$command" setup --help >/dev/null 2>&1; then
    say "next: vmm doctor says what this host can do"
    return 0
  fi
  if [ "$setup" = no ] && [ -t 2 ] && { : </dev/tty; } 2>/dev/null; then
    printf 'Run "vmm setup" now? It installs Firecracker, a kernel and an image. [y/N] ' >&2
    read -r answer </dev/tty || answer=
    case $answer in y | Y | yes) setup=yes ;; esac
  fi
  if [ "$setup" = yes ]; then
    "$command" setup </dev/null
  else
    say "next: vmm setup fetches Firecracker, a kernel and an image; vmm doctor says what this host can do"
  fi
}

uninstall() {
  ours || die "$bin/vmm is another program; nothing was removed"
  command=$home/bin/vmm
  if [ ! -x "$command" ] && [ -z "$prefix" ] && command -v pipx >/dev/null 2>&1 && [ -x "$bin/vmm" ]; then
    command=$bin/vmm
  fi
  if [ "$(id -u)" = 0 ] && [ -x "$command" ]; then
    set -- ${purge:+--purge} ${yes:+--yes}
    if [ -z "$yes" ] && { : </dev/tty; } 2>/dev/null; then
      "$command" uninstall "$@" </dev/tty || die "the program stays, as \`vmm uninstall\` did not finish"
    else
      "$command" uninstall "$@" </dev/null || die "the program stays, as \`vmm uninstall\` did not finish"
    fi
  fi
  each_completion drop_completion
  if [ -f "$home/.vmm-install" ]; then
    rm -f "$bin/vmm"
    drop_environment
    # The mark goes last, so that an interrupted run is taken up by the next.
    rm -f "$home/.vmm-install"
    rmdir "$home" 2>/dev/null || say "left in $home, not vmm's: $(ls -A "$home")"
  elif [ "$command" = "$bin/vmm" ]; then
    pipx uninstall vmmcompose >&2
  else
    say "nothing to do: vmm is not installed in $home"
    return 0
  fi
  say "removed"
}

main() {
  version='' from='' sum='' prefix='' setup=no purge='' yes='' remove=no
  while [ $# -gt 0 ]; do
    case $1 in
      --version | --from | --sha256 | --prefix) [ $# -gt 1 ] || { say "install.sh: $1 needs a value"; exit 64; } ;;
    esac
    case $1 in
      --version) version=$2; shift ;;
      --from) from=$2; shift ;;
      --sha256) sum=$(printf '%s' "$2" | tr A-F a-f); shift ;;
      --prefix) prefix=$2; shift ;;
      --setup) setup=yes ;;
      --uninstall) remove=yes ;;
      --purge) purge=yes ;;
      --yes) yes=yes ;;
      -h | --help) usage; exit 0 ;;
      *) say "install.sh: unknown argument $1; see --help"; exit 64 ;;
    esac
    shift
  done
  [ "$(uname -s)" = Linux ] || die "vmm runs on Linux only"
  places
  if [ "$remove" = yes ]; then
    uninstall
    return 0
  fi
  work=$(mktemp -d "${TMPDIR:-/tmp}/vmm-install.XXXXXX")
  trap 'rm -rf -- "$work"' EXIT
  trap 'exit 130' INT TERM HUP
  install
}

main "$@"
