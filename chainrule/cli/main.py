"""`chainrule`: the command line."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import traceback
import warnings
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from chainrule import cli
from chainrule.cli.show import error_event, print_json, say
from chainrule.ir.errors import ChainruleError, DivergedError
from chainrule.version import __version__

BAD_INPUT, DIVERGED, INTERRUPTED, BUG = 2, 3, 130, 1


class Commands(click.Group):
    """The commands, each imported when it is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Their names, in the order of use."""
        return list(cli.COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in cli.COMMANDS:
            return None
        command: click.Command = getattr(getattr(cli, name), name)
        return command

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the commands that an unknown word may have meant."""
        if words[0] not in cli.COMMANDS:
            near = difflib.get_close_matches(words[0], cli.COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(cli.COMMANDS)}."
            context.fail(f"No such command {words[0]!r}: {hint}")
        return super().resolve_command(context, words)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Their lines, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(cli.COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="chainrule")
def commands() -> None:
    """Trains neural networks by backpropagation, on the machine that you have.

    Begin with: chainrule train penguins
    """


def main() -> None:
    """Runs a command. Exit codes: 0, 2 bad input or usage, 3 diverged, 130 interrupted.

    What went wrong is one line on stderr; --debug prints the traceback before it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a letter that a terminal does not have is no reason to stop
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            commands(prog_name="chainrule", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt) as error:
        stop(error, "interrupted.", INTERRUPTED)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "chainrule"
        stop(error, f"{error.format_message()} (`{where} --help` lists the options)", BAD_INPUT)
    except click.ClickException as error:
        stop(error, error.format_message(), BAD_INPUT)
    except DivergedError as error:
        stop(error, error.message, DIVERGED)
    except ChainruleError as error:
        stop(error, error.message, BAD_INPUT)
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + getattr(signal, "SIGPIPE", 13))
    except OSError as error:
        place = f": {error.filename}" if error.filename is not None else ""
        stop(error, f"{error.strerror or error}{place}", BAD_INPUT)
    except MemoryError as error:
        stop(error, f"not enough memory. {error}".strip(), BAD_INPUT)
    except Exception as error:
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        stop(error, f"this is a bug of chainrule: {told} (--debug shows where; please report it)", BUG)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as a line of progress."""
    say(f"note: {' '.join(str(message).split())}")


def stop(error: BaseException, message: str, code: int) -> NoReturn:
    """Says in one line what went wrong, and leaves with a code."""
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    line = " ".join(message.split())
    if "--json" in sys.argv:
        print_json(error_event(error, line, code))
    click.echo(f"chainrule: {line}", err=True)
    sys.exit(code)
