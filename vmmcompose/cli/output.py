"""Text that goes to standard output, or into a file named with -o."""

import click

OUTPUT_HELP = "Write there instead of to standard output."


def write_file(path: str, text: str, *, private: bool = False) -> None:
    """Writes a file with the user's own rights; its folder must be there.

    A `private` one that was not there yet is for its owner's eyes only.

    Raises:
        HostError: it cannot be written.
    """
    import os

    from vmmcompose.errors import HostError

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600 if private else 0o666)

    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape", opener=opener) as file:
            file.write(text)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def make_folder(path: str) -> None:
    """Makes a folder for files, where it is not there.

    Raises:
        HostError: it cannot be made.
    """
    import os

    from vmmcompose.errors import HostError

    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise HostError(f"cannot make {path}: {error.strerror}") from error


def show(path: str | None, text: str) -> None:
    """The text, where the user wants it.

    Raises:
        HostError: the file cannot be written.
    """
    if path is None or path == "-":
        click.echo(text, nl=False)
    else:
        write_file(path, text)
