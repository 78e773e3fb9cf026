"""`chainrule`: the command line."""

from __future__ import annotations

import sys

import click

from chainrule.cli.bench import bench
from chainrule.cli.train import Diverged, train
from chainrule.ir.errors import ChainruleError
from chainrule.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chainrule")
def commands() -> None:
    """Trains neural networks by backpropagation, on the machine that you have."""


commands.add_command(train)
commands.add_command(bench)


def main() -> None:
    """Runs a command. Bad input ends with one line on stderr and exit code 2; divergence with 3,
    Ctrl-C with 130.
    """
    try:
        commands(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except Diverged as error:
        click.echo(f"chainrule: {error}", err=True)
        sys.exit(3)
    except ChainruleError as error:
        click.echo(f"chainrule: {str(error).partition(chr(10))[0]}", err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"chainrule: {error.strerror or error}: {error.filename}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("chainrule: interrupted; nothing was saved.", err=True)
        sys.exit(130)
