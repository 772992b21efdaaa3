"""What a guest runs for us, as values: provision scripts, which one was run, and commands that end when we end."""

import hashlib
from collections.abc import Sequence


def script_digest(content: str) -> str:
    """What a disk's sidecar remembers of a script that was run on it: its content, whatever it is called."""
    return hashlib.sha256(script_bytes(content)).hexdigest()


def script_bytes(content: str) -> bytes:
    """A script as it stands in its file."""
    return content.encode(errors="surrogateescape")


def interpreter(content: str) -> tuple[str, ...]:
    """What the script's path is given to: the program of its `#!` line with its one argument, else `sh`.

    As execve(2) reads that line: all that follows the program is one argument.
    """
    first = content.partition("\n")[0]
    program, _, argument = first.removeprefix("#!").strip().partition(" ")
    if not first.startswith("#!") or not program:
        return ("sh",)
    return (program, argument.strip()) if argument.strip() else (program,)


_RUNNER = r"""
exec 3<&0 2>&1
trap : HUP PIPE
export DEBIAN_FRONTEND="${DEBIAN_FRONTEND:-noninteractive}"
run() {
    dir=/run/$0 tries=0
    mkdir -p /run
    until mkdir -m 700 "$dir" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || rm -rf "$dir"
        [ "$tries" -lt 12 ] || return 126
        sleep 1
    done
    head -c "$1" <&3 >"$dir/script" || return 126
    shift
    (
        cat <&3
        : >"$dir/cut"
        leader=$(cat "$dir/pid")
        kill -TERM "-$leader" || kill -TERM "$leader"
        tries=0
        while kill -0 "-$leader" && [ "$tries" -lt 20 ]; do
            tries=$((tries + 1))
            sleep 0.1 || sleep 1
        done
        kill -KILL "-$leader" || kill -KILL "$leader"
    ) >/dev/null 2>&1 &
    guard=$!
    own=setsid
    command -v setsid >/dev/null || own=env
    $own sh -c 'echo $$ >"$0/pid"; [ ! -e "$0/cut" ] || exit 143; exec "$@" "$0/script"' \
        "$dir" "$@" </dev/null 3<&-
    code=$?
    if [ -e "$dir/cut" ]; then wait "$guard"; else kill "$guard"; fi
    rm -rf "$dir"
    [ "$code" -ne 0 ] || sync
    return "$code"
}
token=$1
shift
run "$@"
printf '\n%s %s\n' "$token" "$?"
"""
"""What runs a script in a guest. Its first bytes of input are the script, and the end of its input ends the script:
whoever started it is gone. Two of one name never run at once. The last line tells the exit code: a service that the
script started may hold the connection open, and only a line of the runner's own says that a script has ended.
"""


def runner(content: str, token: str, name: str = "vmm-provision") -> tuple[str, ...]:
    """The command that runs a script in a guest, given its bytes as input; see `_RUNNER`.

    `token` begins the line that tells the exit code; nothing else in the output may look like it. Of scripts with
    one `name` never two are run at once.
    """
    size = str(len(script_bytes(content)))
    return ("sh", "-c", _RUNNER, name, token, size, *interpreter(content))


_GUARDED = (
    "exec 3<&0; own=setsid; command -v setsid >/dev/null || own=env;"
    ' $own "$@" </dev/null 3<&- & pid=$!;'
    ' { cat <&3; kill -TERM "-$pid" || kill -TERM "$pid"; sleep 2;'
    ' kill -KILL "-$pid" || kill -KILL "$pid"; } >/dev/null 2>&1 & guard=$!;'
    ' wait "$pid"; code=$?; kill "$guard"; exit "$code"'
)


def guarded(command: Sequence[str]) -> tuple[str, ...]:
    """A command that the end of its input ends in the guest, with all it started: whoever asked for it is gone."""
    return ("sh", "-c", _GUARDED, "vmm-guarded", *command)
