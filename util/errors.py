"""Errors that end a program with one line instead of a traceback."""

from __future__ import annotations


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
