"""Errors that end a program with one line instead of a traceback."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# Control characters, line separators, changes of the writing direction, and surrogates, which stand
# for bytes that are not UTF-8. A terminal acts on some of them; names of files may hold them all.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    r"""Return ``text`` with escapes such as \n and \x1b for what is not printable."""
    return UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode(), str(text))


class UserError(Exception):
    """A mistake that the user can correct; ends the program with status 1.

    The message is one line that names the flag or file and what would be accepted.

    Attributes:
        lines: what a terminal shows instead of the message, if that holds a list; () for one line.
    """

    status = 1
    lines: Sequence[str] = ()


class UsageError(UserError):
    """Command-line options that contradict each other; ends the program with status 2."""

    status = 2


def first_line(error: BaseException) -> str:
    """Return the first line of the error's message, or the name of its type if it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]


def reason_of(error: BaseException) -> str:
    """Return what the system says of an OSError, without its path; else the first line."""
    return getattr(error, "strerror", None) or first_line(error)


# Parts of error messages: the CPU's allocators; CUDA, MPS and NCCL; cuDNN and cuBLAS; sizes that no
# memory could hold
OUT_OF_MEMORY = (
    "allocate memory",
    "not enough memory",
    "bad_alloc",
    "out of memory",
    "ALLOC_FAILED",
    "unable to find an engine",  # of cuDNN, without memory for any algorithm
    "Storage size calculation overflowed",
    "can't start new thread",  # there is no memory for its stack
    "unable to start watchdog thread",  # of faulthandler, which says so of each failure
    "could not create a primitive",  # of oneDNN, which says nothing more
)


def is_out_of_memory(error: BaseException) -> bool:
    """True if the error says that memory is used up, that of the computer or that of a GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    known = isinstance(error, RuntimeError) and any(part in str(error) for part in OUT_OF_MEMORY)
    return known or isinstance(error, MemoryError)  # PyTorch's OutOfMemoryError is a RuntimeError


def norm_problem(error: BaseException) -> str:
    """Return what to do if a norm layer had too few values for its statistics, else ""."""
    if not isinstance(error, ValueError) or "Expected more than 1" not in str(error):
        return ""
    return (
        "a norm layer has one value per channel, which has no statistics: "
        "larger images (--load_size, --crop_size), or --norm none"
    )


@contextmanager
def culprit(option: str) -> Iterator[None]:
    """Put ``option`` before the message of a UserError inside."""
    try:
        yield
    except UserError as error:
        raise type(error)(f"{option}: {error}") from None


@contextmanager
def explain(message: str, line: int = 0) -> Iterator[None]:
    """Turn any exception inside into a UserError: ``message`` and one line of its text."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # other packages raise many kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[line]
        raise UserError(f"{message}: {reason}") from None


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


@contextmanager
def naming(path: object) -> Iterator[None]:
    """Add ``path`` to an OSError inside that names no file, as those of a write to a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise
