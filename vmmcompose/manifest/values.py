"""Single values: sizes, durations, names, text. Each function takes what the schema lets through."""

import re

from vmmcompose.manifest.report import BadValueError, has_control, quoted, shown

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
NAME_LENGTH = 40
"""Bytes of a VM's short name."""
HOST_NAME_LENGTH = 63
"""Bytes of `<project>-<vm>`, so that it can be a DNS label."""
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))? ?(?:([kmgt])(i?b)?)?", re.IGNORECASE)
_KIB = {"k": 1, "": 1 << 10, "m": 1 << 10, "g": 1 << 20, "t": 1 << 30}
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?")
_LONGEST_S = 86_400.0
_STORE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOSTNAME_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HOSTNAME_LENGTH = 64
"""HOST_NAME_MAX of Linux."""
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
_ARGUMENT = re.compile(r'(?:[^ "]|"[^"]*")+')
_OURS = {"ip": "use `ip:`", "nfsaddrs": "use `ip:`", "root": "the root disk is the one made from `image:`"}
"""Kernel arguments that vmm sets itself; `nfsaddrs` is the kernel's other word for `ip`."""


def size_mib(value: int | str, least: int, most: int) -> int:
    """A size in MiB; a plain number counts MiB.

    Raises:
        BadValueError: no size, no whole number of MiB, or out of bounds.
    """
    mib = value if isinstance(value, int) else _read_size(value)
    if not least <= mib <= most:
        bound = f"at least {least}MiB" if mib < least else f"at most {most >> 20}TiB"
        raise BadValueError("out-of-range", f"must be {bound}, not {_size_shown(value)}")
    return mib


def _size_shown(value: int | str) -> str:
    return f"{value}MiB" if isinstance(value, int) else quoted(value)


def _read_size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if not found:
        raise BadValueError("size", f"must be a size such as `512MiB` or `2GiB`, not {shown(text)}")
    whole, fraction, unit, suffix = (found[1], found[2] or "", (found[3] or "").lower(), found[4] or "")
    if suffix.lower() == "b":
        number = text[: -len(unit + suffix)].strip()
        hint = f"did you mean `{number}{unit.upper()}iB`? Sizes count in powers of two"
        raise BadValueError("size", f"must be a size such as `512MiB` or `2GiB`, not {quoted(text)}", hint)
    mib, rest = divmod(int(whole + fraction) * _KIB[unit], 1 << 10)
    scale: int = 10 ** len(fraction)
    if rest or mib % scale:
        raise BadValueError("size", f"must be a whole number of MiB, not {quoted(text)}")
    return mib // scale


def seconds(text: str, least: float = 0.1) -> float:
    """A duration in seconds, from `least` to a day.

    Raises:
        BadValueError: no duration, or out of bounds.
    """
    found = _DURATION.fullmatch(text)
    if not found or not text:
        plain = text.isascii() and text.isdigit()
        hint = f"did you mean `{text}s`?" if plain else ""
        raise BadValueError(
            "duration", f"must be a duration such as `500ms`, `2s` or `1m30s`, not {shown(text)}", hint
        )
    hours, minutes, whole, milli = (float(part or 0) for part in found.groups())
    total = hours * 3600 + minutes * 60 + whole + milli / 1000
    if not least <= total <= _LONGEST_S:
        bound = f"{least * 1000:.0f}ms" if least else "0s"
        raise BadValueError("out-of-range", f"must be from {bound} to 24h, not {quoted(text)}")
    return total


def name_fault(text: str) -> str:
    """What to do about a VM's or a project's name that could not be part of a host name; empty if it could."""
    if NAME.fullmatch(text):
        return ""
    near = normalised_name(text)
    example = f", for example `{near}`" if near and len(near) <= NAME_LENGTH else ""
    return f"use lower case letters and digits, with `-` inside{example}"


def normalised_name(text: str) -> str:
    """The name nearest to any text; empty if nothing is left of it."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def hostname(text: str) -> str:
    """A guest's host name (RFC 1123).

    Raises:
        BadValueError: it is none, or longer than Linux allows.
    """
    if not all(_HOSTNAME_LABEL.fullmatch(label) for label in text.split(".")):
        hint = "a host name has letters, digits and `-`, in parts of at most 63, with dots between them"
        raise BadValueError("hostname", f"must be a host name, not {shown(text)}", hint)
    if len(text) > _HOSTNAME_LENGTH:
        raise BadValueError("hostname", f"must have at most {_HOSTNAME_LENGTH} characters, not {len(text)}")
    return text


def store_name(text: str) -> str:
    """A name in the image or kernel store.

    Raises:
        BadValueError: it is none.
    """
    if not _STORE_NAME.fullmatch(text):
        near = text.replace(":", "-")
        hint = "a path begins with `/`, `./` or `../`"
        if "/" not in text and _STORE_NAME.fullmatch(near):
            hint = f"did you mean `{near}`?"
        raise BadValueError("store-name", f"must be a name or a path, not {shown(text)}", hint)
    return text


def boot_args(text: str) -> str:
    """More kernel arguments, with single spaces.

    Raises:
        BadValueError: they would spoil the command line that vmm builds.
    """
    if not all(" " <= character <= "~" for character in text):
        raise BadValueError("boot-args", "must be printable ASCII on one line")
    if len(text) > 1024:
        raise BadValueError("boot-args", f"must have at most 1024 bytes, not {len(text)}")
    if text.count('"') % 2:
        raise BadValueError("boot-args", 'has a `"` that is not closed')
    words = _ARGUMENT.findall(text)
    for word in words:
        name = word.replace('"', "").partition("=")[0]
        if name in _OURS and "=" in word:
            raise BadValueError("boot-args", f"must not set `{name}=`: vmm does", _OURS[name])
        if word.replace('"', "") == "--":
            hint = "what stands behind it goes to init, and so would what vmm adds"
            raise BadValueError("boot-args", "must not hold `--`", hint)
    return " ".join(words)


def profile_name(text: str) -> str:
    """A profile's name.

    Raises:
        BadValueError: it is none.
    """
    if not _PROFILE.fullmatch(text):
        hint = "letters and digits, with `.`, `_` and `-` behind the first"
        raise BadValueError("profile", f"must be a profile's name, not {shown(text)}", hint)
    return text


def env_key(text: str) -> str:
    """An environment variable's name.

    Raises:
        BadValueError: no shell could use it.
    """
    if not _ENV_KEY.fullmatch(text):
        hint = "letters, digits and `_`, not beginning with a digit"
        said = f"has the key {quoted(text)}, which is no variable's name" if text else "has an empty key"
        raise BadValueError("env-name", said, hint)
    return text


def label_key(text: str) -> str:
    """A label's name.

    Raises:
        BadValueError: it is none.
    """
    if not _LABEL_KEY.fullmatch(text):
        hint = "letters and digits, with `.`, `_`, `/` and `-` inside"
        said = f"has the key {quoted(text)}, which is no label's name" if text else "has an empty key"
        raise BadValueError("label-name", said, hint)
    return text


def one_line(text: str) -> str:
    """Text without line breaks and other control characters.

    Raises:
        BadValueError: it holds one.
    """
    if has_control(text):
        raise BadValueError("control-character", "holds a line break or another control character")
    return text
