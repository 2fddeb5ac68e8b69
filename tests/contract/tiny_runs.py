"""Trains a tiny CycleGAN, and reads the pages and files of a run."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from conftest import ONE_EPOCH, TINY, Programs, Result

# Labels of the images that are translated from A, and from B.
A_SIDE, B_SIDE = ["real_A", "fake_B", "rec_A"], ["real_B", "fake_A", "rec_B"]


class Page(HTMLParser):
    """Parses a page with balanced tags.

    Attributes:
        files: targets of images, scripts and links, all relative, so that file:// works.
        words: pieces of text.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.files: list[Path] = []
        self.words: list[str] = []
        self.folder = path.parent
        text = path.read_text(encoding="utf-8")
        assert text.lower().startswith("<!doctype html>")
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br", "hr", "link", "input"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                if value == "data:,":  # no icon
                    continue
                link = urlsplit(value or "")
                assert link.scheme == link.netloc == link.query == link.fragment == "", value
                self.files.append(self.folder / unquote(link.path))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] not in ("style", "script"):
            self.words.append(data.strip())


def train(run: Programs, data: Path, *more: object, name: str = "x") -> Result:
    return run.train("--dataroot", data, "--name", name, *TINY, *ONE_EPOCH, *more).ok()


def names(folder: Path, pattern: str = "*") -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob(pattern) if p.is_file()}
