"""Errors that end a program with one line instead of a traceback."""

from __future__ import annotations


class UserError(Exception):
    """A mistake the user can mend: one line that names the flag or file and what would be accepted. Ends with status 1."""

    status = 1


class UsageError(UserError):
    """A command line that makes no sense. Ends with status 2."""

    status = 2
