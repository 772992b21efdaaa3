"""`vmm completion`: the script that has a shell ask `vmm` what may follow; and the answer to that question."""

import click

ASKED = "_VMM_COMPLETE"
"""The variable in which a shell's script asks."""
_SHELLS = ("bash", "zsh", "fish")
_HELP = """Print the script that completes commands, options and names of VMs, images and kernels.

\b
bash   echo 'source <(vmm completion bash)' >> ~/.bashrc
zsh    echo 'source <(vmm completion zsh)' >> ~/.zshrc      after compinit
fish   vmm completion fish > ~/.config/fish/completions/vmm.fish

For all users: vmm completion bash > /etc/bash_completion.d/vmm"""


@click.command(help=_HELP)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """`vmm completion`."""
    from click.shell_completion import ShellComplete, get_completion_class

    from vmmcompose.cli.main import vmm

    kind = get_completion_class(shell)
    assert kind is not None
    # The class's own source() runs the shell to ask for its version; the script is the same.
    click.echo(ShellComplete.source(kind(vmm, {}, "vmm", ASKED)))


def answer(root: click.Command, question: str) -> int:
    """Prints what may follow, for a question such as `bash_complete`; the line is in variables of the script's.

    Silent about anything that is wrong: the user is in the middle of a line.
    """
    from contextlib import redirect_stderr
    from io import StringIO

    from click.shell_completion import get_completion_class

    try:
        kind = get_completion_class(question.partition("_")[0])
        if kind is None:
            return 1
        with redirect_stderr(StringIO()):
            click.echo(kind(root, {}, "vmm", ASKED).complete())
    except (Exception, SystemExit, KeyboardInterrupt):  # noqa: BLE001 - see above
        return 1
    return 0
