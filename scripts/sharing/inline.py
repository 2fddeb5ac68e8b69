"""A page of a training or of results as a single HTML file, with its data and images inside.

The page keeps its own scripts. Where they use the URL of an image, they get one that holds the
image itself, so nothing here depends on how the page shows it.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any, NamedTuple

from data.image_file import has_alpha, open_image
from scripts.sharing.film import evenly
from util.errors import UserError
from util.files import read_text
from util.image.writing import encoded
from util.pages.data_file import Call, file_of, read_calls
from util.words import amount

SCRIPT = re.compile(r'<script src="([^"]+)"></script>')
LINK = re.compile(r'\b(src|href)="([^"]+)"')
IMAGE = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?|npy)$", re.IGNORECASE)
DOWNLOAD = re.compile(r"<a download[^>]*>[^<]*</a>")  # of files that a shared page does not hold
ROWS = re.compile(r"(?<=<noscript>)(.*?)(?=</noscript>)", re.DOTALL)
OTHER_PAGE = re.compile(r'<p[^>]*><a href="(?!https?:|#|data:)[^"]+">[^<]*</a></p>')
PLACE, IN_LIST = re.compile(r'"\\u0000(\d+)"'), r"sharedImages[\1]"
WORDS = {"panel": "epochs of the validation images", "images": "epochs of the training images"}
WORDS["rows"] = "rows of images"
KINDS = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp", "GIF": "gif"}  # all browsers show these
MISSING = "data:,#"
LARGEST = 32 << 20  # bytes of an index.html; that of 3,000 rows of images has a tenth of this


class Quality(NamedTuple):
    """How images are stored: as WebP of this quality, or as they are without a ``quality``.

    Attributes:
        longest: longer sides are reduced to this many pixels.
    """

    quality: int
    longest: int

    def words(self) -> str:
        if not self.quality:
            return "All images are the original files"
        return f"Images are WebP of quality {self.quality}, at most {self.longest} pixels"


Part = Any  # HTML, or a call
QUALITIES = (Quality(0, 0), Quality(92, 1024), Quality(85, 512), Quality(75, 256))


class SharedPage:
    """A page that is written as one file.

    Attributes:
        notes: sentences that say what was left out or shrunk.
    """

    def __init__(self, folder: Path) -> None:
        """Read the page in ``folder``.

        Raises UserError: the page or its data cannot be read, or the page is larger than any that
        was written here.
        """
        page = folder / "index.html"
        if page.is_file() and page.stat().st_size > LARGEST:
            raise UserError(f"{page}: larger than {LARGEST >> 20} MB, which is no page of ours")
        self.file = cache(lambda url: file_of(url, folder) if IMAGE.search(url) else None)
        html = DOWNLOAD.sub("", without_home(read_text(page)))
        files = {name: file_of(name, folder) for name in SCRIPT.findall(html)}
        self.scripts = {n: without_home(read_calls(file)) for n, file in files.items() if file}
        events: dict[str, list[Part]] = {}  # first argument -> calls that show images
        for call in (call for calls in self.scripts.values() for call in calls):
            if next(self.urls(call), None):
                events.setdefault(str(call.values[0]), []).append(call)
        # Within an epoch, training images replace the ones before.
        latest = {str(call.values[1:2]): call for call in events.get("images", ())}
        events |= {"images": list(latest.values())} if latest else {}
        before, rows, self.after = [*ROWS.split(html, maxsplit=1), "", ""][:3]
        self.before = OTHER_PAGE.sub("", before)
        lines: list[Part] = [line for line in rows.split("\n") if line]
        # Browsers without scripts show the rows. In a training, they repeat what its data has.
        self.always: list[Part] = [self.before, self.after, *(lines[:1] if events else ())]
        self.groups = events or {"rows": lines}  # what can be left out, part by part
        self.all = {name: len(parts) for name, parts in self.groups.items()}
        self.notes: list[str] = []

    def urls(self, part: Any) -> Iterator[str]:
        """Yield the URLs of images in a part of the page, as the part writes them."""
        if isinstance(part, str) and "<" in part:
            # A link of an image may lead to its values, which are in a file of their own
            yield from (
                u for kind, u in LINK.findall(part) if kind == "src" and self.file(unescape(u))
            )
        elif isinstance(part, str):
            yield from [part] if self.file(part) else ()
        elif isinstance(part, (list, tuple, dict)):
            for value in part.values() if isinstance(part, dict) else part:
                yield from self.urls(value)

    def fit(self, limit: int, progress: Callable[[], object]) -> bytes:
        """Return the page in at most ``limit`` bytes: with smaller images, then with fewer.

        Args:
            progress: called for each image.

        Raises UserError: a page with as few images as possible is larger.
        """
        text, level, images = len(self.render({})), 0, dict[str, str]()
        while level < len(QUALITIES) - 1 and text + self._estimate(QUALITIES[level]) > limit:
            level += 1
        while True:
            used = self._used()
            for url in used:
                if url not in images:
                    images[url] = self._data_url(url, QUALITIES[level])
                    progress()
            self.notes = self._describe(
                QUALITIES[level], [url for url in used if images[url] == MISSING]
            )
            page = self.render({url: images[url] for url in used})
            if len(page) <= limit:
                return page
            if level < len(QUALITIES) - 1:
                level, images = level + 1, {}
            elif not self._thin(images, len(page) - limit):
                raise UserError(
                    f"--max_mb {limit / 1e6:g}: with as few images as possible, the page still has "
                    f"{len(page) / 1e6:.2f} MB"
                )

    def _used(self) -> list[str]:
        """Return the URLs of all images in the parts that are kept."""
        return list(dict.fromkeys(self.urls([*self.groups.values(), self.always])))

    def _estimate(self, quality: Quality) -> float:
        """Return the bytes that all images will take, judged by 40 of them."""
        used = self._used()
        sizes = [len(self._data_url(url, quality)) for url in evenly(used, 40)]
        return sum(sizes) / max(1, len(sizes)) * len(used)

    def _thin(self, images: dict[str, str], excess: float) -> bool:
        """Leave out parts of about ``excess`` bytes; False if each group has only one left.

        Of a training, batches of training images go first.
        """
        smaller = False
        for name in sorted(self.groups, key=lambda name: name != "images"):
            parts, urls = self.groups[name], set(self.urls(self.groups[name]))
            if excess > 0 and len(parts) > 1:
                size = len(str(parts)) + sum(len(images[url]) for url in urls)
                share = 1 - 1.02 * excess / max(1, size)
                kept = evenly(parts, max(1, min(len(parts) - 1, int(share * len(parts)))))
                gone = sum(len(images[url]) for url in urls - set(self.urls(kept)))
                excess -= gone + len(str(parts)) - len(str(kept))
                self.groups[name], smaller = kept, True
        return smaller

    def _data_url(self, url: str, quality: Quality) -> str:
        """Return an image as a URL. Its empty fragment makes a ``?stamp`` after it harmless."""
        file = self.file(unescape(url))
        assert file
        try:
            with open_image(str(file)) as image:
                image.load()
                kind = KINDS.get(image.format or "")
                if kind and not quality.quality:
                    content = file.read_bytes()
                else:
                    kind, picture = "webp", image.convert("RGBA" if has_alpha(image) else "RGB")
                    if quality.quality:
                        picture.thumbnail((quality.longest, quality.longest))
                    settings = {"quality": quality.quality, "lossless": not quality.quality}
                    content = encoded(picture, Path("image.webp"), **settings)
        except UserError:
            return MISSING
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}#"

    def _describe(self, quality: Quality, unreadable: list[str]) -> list[str]:
        """Return sentences for the head of the page, without their full stops."""
        notes = [f"Shared copy of {time.strftime('%Y-%m-%d')}", quality.words()]
        events = [call.values[0] for calls in self.scripts.values() for call in calls]
        if [event for event in events if event in ("begin", "end")][-1:] == ["begin"]:
            notes.insert(1, "The training had not ended")
        for name, parts in self.groups.items():
            if len(parts) < self.all[name]:
                words = WORDS.get(name, f"images of {name}")
                notes.append(f"Shown are {len(parts)} of {self.all[name]} {words}, evenly spread")
        if unreadable:
            notes.append(f"{amount(len(unreadable), 'image')} could not be read: {unreadable[0]}")
        return notes

    def render(self, images: dict[str, str]) -> bytes:
        """Return the page.

        Args:
            images: URL of an image -> URL with its content; other images are left out.
        """
        rows = "\n".join(self.groups.get("rows", self.always[2:]))
        head = f'<p class="note" id="shared">{escape(". ".join(self.notes))}.</p></header>'
        html = self.before + rows + self.after
        html = LINK.sub(lambda link: self._link(link, images), html)
        html = html.replace("</header>", head, 1)
        return SCRIPT.sub(lambda tag: self._script(tag[1], images), html).encode(errors="replace")

    def _link(self, link: re.Match[str], images: dict[str, str]) -> str:
        """Return ``src`` or ``href`` of an image: its content, or a name that only scripts use."""
        if not self.file(unescape(link[2])):
            return link[0]
        image = images.get(link[2], MISSING)
        return f'src="{image}"' if link[1] == "src" else f'href="#{link[2]}"'

    def _script(self, name: str, images: dict[str, str]) -> str:
        """Return a data file as an inline script; "" if there is no such file.

        An image that is used several times is written once, in the list ``sharedImages``.
        """
        calls, index = self.scripts.get(name, []), {url: i for i, url in enumerate(images)}
        kept = {id(part) for parts in self.groups.values() for part in parts}

        def replaced(value: Any) -> Any:
            if isinstance(value, list):
                return [replaced(item) for item in value]
            if isinstance(value, dict):  # names of images are the keys of their metrics
                names = {key: f"#{key}" if self.file(unescape(key)) else key for key in value}
                return {names[key]: replaced(item) for key, item in value.items()}
            return f"\0{index[value]}" if isinstance(value, str) and value in index else value

        lines = []
        for function, values in (c for c in calls if id(c) in kept or not next(self.urls(c), "")):
            text = ", ".join(json.dumps(replaced(value)) for value in values)
            lines.append(f"{function}({PLACE.sub(IN_LIST, text)})")
        if any("sharedImages[" in line for line in lines):
            lines.insert(0, f"var sharedImages = {json.dumps(list(images.values()))}")
        # "<" would end the script if "/script" follows
        text = "\n".join(lines).replace("<", "\\u003c")
        return f"<script>{text}</script>" if calls else ""


def without_home(value: Any) -> Any:
    """Return ``value`` with ~ for the user's home folder in all texts."""
    home = str(Path.home())
    if isinstance(value, str):
        return re.sub(re.escape(home) + r"(?![\w.-])", "~", value) if len(home) > 1 else value
    if isinstance(value, Call):
        return Call(value.function, without_home(value.values))
    if isinstance(value, list):
        return [without_home(item) for item in value]
    if isinstance(value, dict):
        return {without_home(key): without_home(item) for key, item in value.items()}
    return value
