"""What the guest's shell is told to keep a mount in step: POSIX sh, tar, and the tools beside it in any image.

One shell runs for as long as the connection lasts. It reads a line, runs it, and prints a line of its own with the exit
code behind a token that nobody else knows, so that no output can be taken for it. A line may read what follows it on
the same input: `take` copies so many bytes and not one more. Each line begins with the token as well, so that what is
left of a broken transfer is never run.
"""

import shlex
from collections.abc import Iterable, Iterator

from vmmcompose.guest.listing import STAGING
from vmmcompose.guest.names import fstab_path

_ARGUMENTS = 60_000
"""Bytes of names in one command, well below the system's limit for one."""
_LONG = 1500
"""A shell reads a line byte by byte, so a longer text goes over as a block."""
LOOP = rf"""
umask 0
export LC_ALL=C QUOTING_STYLE=literal EXTRACT_UNSAFE_SYMLINKS=1
exec 2>&1
T=$2
N='
'
S={STAGING}$$.$T
cd -- "$1" || exit 4
for d in {STAGING}*; do
  p=${{d#{STAGING}}}
  [ ! -d "$d" ] || [ -d "/proc/${{p%%.*}}" ] || rm -rf -- "$d"
done
trap 'rm -rf -- "$S"' EXIT
trap 'exit 1' HUP INT PIPE TERM
mkdir -m 700 -- "$S" || exit 4
take() {{ dd bs="$1" count="$2" iflag=fullblock 2>/dev/null; }}
unpack() {{
  take "$1" "$2" | {{ tar -xpf - -C "$S" || {{ e=$?; cat >/dev/null; exit "$e"; }}; }}
}}
list() {{
  find . -xdev \( -path './{STAGING}*' -o -path ./lost+found \) -prune -o \
    -type l -exec stat -c "$T %f %s %Y %u %g %n$T%N" {{}} + -o -exec stat -c "$T %f %s %Y %u %g %n" {{}} +
}}
printf '\n%s 0\n' "$T"
while IFS= read -r line; do
  case $line in "$T "*) ;; *) exit 3 ;; esac
  eval "${{line#"$T "}}"
  printf '\n%s %s\n' "$T" "$?"
done
"""
"""Arguments: the folder, the token. Ends with its input, and takes what it had not put into place with it."""
LIST = "list 2>/dev/null"
FLUSH = "sync"
ROOM = "stat -f -c '%a %S' . 2>/dev/null || :"
"""Free blocks, and how big one is; nothing where stat(1) does not know."""
CLEAR = 'rm -rf -- "$S"/*'
"""Forgets all that is on its way."""


def is_mounted(place: str) -> str:
    """Succeeds where something is mounted at a path of the guest."""
    return f"grep -qF {shlex.quote(f' {fstab_path(place)} ')} /proc/mounts"


def quoted(path: str) -> str:
    """A path as one word of a line: in quotes, newlines through the variable N, never taken for an option."""
    inside = f"./{path}".replace("'", "'\\''").replace("\n", "'\"$N\"'")
    return f"'{inside}'"


def staged(name: str) -> str:
    """A path in the folder of what is on its way."""
    return f'"$S"/{quoted(name)}'


def line(token: str, text: str) -> bytes:
    """What is written to run a text, which has no newlines outside of N."""
    data = text.encode("utf-8", "surrogateescape")
    if len(data) <= _LONG:
        return f"{token} ".encode() + data + b"\n"
    return f'{token} x=$(take {len(data)} 1) && eval "$x"\n'.encode() + data


def unpack(block: int, count: int) -> str:
    """Reads `count` blocks of tar into the folder of what is on its way."""
    return f'unpack {block} {count}; R=$?; [ "$R" = 0 ]'


def placing(lines: Iterable[str]) -> str:
    """Runs lines one after the other where all that was sent has arrived."""
    return " && ".join(('[ "$R" = 0 ]', *lines))


def move(names: Iterable[str], group: int, folder: str) -> Iterator[str]:
    """Puts what arrived in a group into its folder; each file is there whole or not at all."""
    into = quoted(folder) if folder else "."
    for words in _chunks(staged(f"{group}/{name}") for name in names):
        yield f"mv -f -- {words} {into}/"


def remove(paths: Iterable[str]) -> Iterator[str]:
    """Removes files, and folders with all they hold."""
    for words in _chunks(map(quoted, paths)):
        yield f"rm -rf -- {words}"


def remove_known(files: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """Removes files, and folders that are empty then; the deepest come first in `folders`."""
    for words in _chunks(map(quoted, files)):
        yield f"rm -f -- {words}"
    for words in _chunks(map(quoted, folders)):
        yield f"rmdir -- {words} 2>/dev/null || :"


def drop_staged(names: Iterable[str]) -> Iterator[str]:
    """Forgets what arrived and shall not be put into place."""
    for words in _chunks(map(staged, names)):
        yield f"rm -rf -- {words}"


def dress(paths: Iterable[str], mode: int, owner: tuple[int, int]) -> Iterator[str]:
    """Gives files and folders a mode and an owner; the owner first, it takes setuid bits away."""
    for words in _chunks(map(quoted, paths)):
        yield f"chown {owner[0]}:{owner[1]} -- {words} && chmod {mode & 0o7777:04o} -- {words}"


def look_at(paths: Iterable[str]) -> Iterator[str]:
    """Lists single paths as `LIST` does; what is missing is left out."""
    for words in _chunks(map(quoted, paths)):
        yield f'stat -c "$T %f %s %Y %u %g %n$T%N" -- {words} 2>/dev/null || :'


def pack(paths: Iterable[str]) -> Iterator[str]:
    """Sends files as tar."""
    for words in _chunks(map(quoted, paths)):
        yield f"tar -cf - -- {words} 2>/dev/null"


def _chunks(words: Iterable[str]) -> Iterator[str]:
    chunk: list[str] = []
    size = 0
    for word in words:
        length = len(word.encode("utf-8", "surrogateescape")) + 1
        if chunk and size + length > _ARGUMENTS:
            yield " ".join(chunk)
            chunk, size = [], 0
        chunk.append(word)
        size += length
    if chunk:
        yield " ".join(chunk)
