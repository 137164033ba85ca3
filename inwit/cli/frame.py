"""How every command speaks: `--json`, an example in its help, nearest names, errors, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, ClassVar

import click

from inwit.errors import (
    InwitError,
    PeerUnreachableError,
    RegistryUnreachableError,
    RequestError,
)

FINE, FAILED, USAGE, NOT_FOUND, UNREACHABLE, EXECUTION_FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class Failure(click.ClickException):
    """A command ends with `error: …` on stderr."""


class NotFound(Failure):
    """What the command was told to use is not there."""

    exit_code = NOT_FOUND


class Unreachable(Failure):
    """A host does not answer."""

    exit_code = UNREACHABLE


class ExecutionFailed(Failure):
    """The execution that the command started failed."""

    exit_code = EXECUTION_FAILED


class Command(click.Command):
    """A command with `--json` and an example. Its function takes `as_json`."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.params.append(
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, for programs.")
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example below the options."""
        _write_example(self.example, formatter)


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    with formatter.section("Example"):
        for line in example.splitlines():
            formatter.write(f"{'':{formatter.current_indent}}$ {line}\n")


class Group(click.Group):
    """Commands under one name; an unknown one is answered by the nearest."""

    command_class = Command

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example below the commands."""
        if self.example:
            _write_example(self.example, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may be meant."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise click.UsageError(f"No command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group whose commands are modules of this package, imported when they are named.

    A module's command is its ``command`` unless ``module:name`` says another.
    """

    modules: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order in which they are told."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and take the command out of it."""
        if cmd_name not in self.modules:
            return None
        module, _, name = self.modules[cmd_name].partition(":")
        found = getattr(import_module(f"inwit.cli.{module}"), name or "command")
        assert isinstance(found, click.Command)
        return found


def answer(run: Callable[[], object]) -> int:
    """Run the command line and turn whatever ends it into an exit code, said on stderr."""
    try:
        result = run()
        sys.stdout.flush()
    except click.ClickException as exc:
        return say_error(_told(exc), exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return say_error("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has left; the interpreter's last flush must find an open end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except InwitError as exc:
        return say_error(str(exc), exit_code_of(exc))
    except OSError as exc:
        if exc.filename is None or exc.strerror is None:
            raise
        return say_error(f"{exc.filename}: {exc.strerror}. `inwit doctor` says more.", FAILED)
    return result if isinstance(result, int) else FINE


def say_error(message: str, exit_code: int) -> int:
    """Write an error to stderr."""
    click.echo(f"error: {message}", err=True)
    return exit_code


def _told(exc: click.ClickException) -> str:
    message = exc.format_message()
    if isinstance(exc, click.UsageError) and exc.ctx is not None:
        return f"{message}\n{exc.ctx.command_path} --help shows how."
    return message


def exit_code_of(exc: InwitError) -> int:
    """The exit code of a typed error: what is not there, what was asked wrongly, what is away."""
    if exc.status == 404:
        return NOT_FOUND
    if isinstance(exc, RequestError) and exc.status in (400, 413):
        return USAGE
    if isinstance(exc, RegistryUnreachableError | PeerUnreachableError):
        return UNREACHABLE
    return FAILED
