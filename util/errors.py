"""Errors that end a program with one line instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake that the user can correct; ends the program with status 1.

    The message is one line that names the flag or file and what would be accepted.
    """

    status = 1


class UsageError(UserError):
    """Command-line options that contradict each other; ends the program with status 2."""

    status = 2


def first_line(error: BaseException) -> str:
    """Return the first line of the error's message, or the name of its type if it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]


@contextmanager
def needs(user: str, package: str) -> Iterator[None]:
    """Turn an ImportError inside into a UserError with the command that installs ``package``.

    Args:
        user: the flag or program that needs the package.
    """
    try:
        yield
    except ImportError:
        message = f"{user} needs a package that is not installed: pip install {package}"
        raise UserError(message) from None
