"""The entry point. `vmm --version` is answered before anything else is imported."""

import gc
import os
import sys

INTERRUPTED = 130
COLLECT = (50_000, 20, 20)
"""How seldom Python looks for cycles among its objects: a command makes few and ends soon, and the usual
(700, 10, 10) costs a twentieth of a `vmm plan`, and half of one with ten thousand VMs."""


def main() -> int:
    """Runs the command line and ends with its exit code, which `--version` returns."""
    gc.set_threshold(*COLLECT)
    _open_missing()
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["version"]):
        from vmmcompose import __version__

        sys.stdout.write(f"vmm {__version__}\n")
        return 0
    try:
        _interrupt_on_end()
        from vmmcompose.cli.main import run

        code = run(arguments)
    except KeyboardInterrupt:  # while the modules were loaded; later ones are told in words
        code = INTERRUPTED
    # At once: Python itself takes everything apart first, object by object, for a tenth of a `vmm plan`'s time. And
    # after an interrupt that hit `exec()` (a dataclass was being made) it ends by SIGINT, whatever the code is.
    _flush()
    os._exit(code)


def _interrupt_on_end() -> None:
    """Makes SIGTERM and a closed terminal what Ctrl-C is: steps at work are finished, the rest never begins."""
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _flush() -> None:
    from contextlib import suppress

    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()


def _open_missing() -> None:
    """Gives closed standard streams (`vmm up >&-`) to /dev/null: else the next file opened would get their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


if __name__ == "__main__":
    sys.exit(main())
