"""The command-line parser of programs that read images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data.image_file import limit_pixels
from options.flags.data import MAX_PIXELS
from options.flags.flag import Flag
from scripts.arguments import Arguments


class ImageArguments(Arguments):
    """Parser of a program that reads images: declares ``--max_pixels``, and sets that limit."""

    def __init__(
        self, description: str | None = None, flags: Sequence[Flag] = (), **settings: Any
    ) -> None:
        super().__init__(description, [*flags, MAX_PIXELS], **settings)

    def parse_known_args(  # type: ignore[override]  # argparse has overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        opt, unknown = super().parse_known_args(args, namespace)
        limit_pixels(opt.max_pixels)
        return opt, unknown
