"""The official ``HTML`` and ``save_images``: a page with rows of images, for test scripts."""

from __future__ import annotations

import ntpath
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dominate
from dominate import tags

from util.errors import needs
from util.files import write_atomically
from util.image.writing import save_image
from util.images import show_images
from util.pages.page import readable
from util.paths import PathText

Name = str | os.PathLike[str]


class HTML:
    """Writes ``web_dir/index.html``, whose images are files in ``web_dir/images``.

    Attributes:
        web_dir, img_dir: the two folders.
        doc: the ``dominate`` document; its body takes more tags: ``with page.doc: tags.p("...")``.
        t: the table of the last row of images; None before the first.
    """

    def __init__(self, web_dir: Name, title: str, refresh: int = 0) -> None:
        """Create the folders, unless they exist.

        Args:
            refresh: seconds after which a browser loads the page again; 0: never.
        """
        self.title, self.web_dir = title, PathText(web_dir)
        self.img_dir = PathText(os.path.join(web_dir, "images"))
        os.makedirs(self.img_dir, exist_ok=True)
        self.doc = dominate.document(title=readable(str(title)))
        self.t: tags.table | None = None
        with self.doc.head:
            tags.meta(charset="utf-8")
            if refresh > 0:
                tags.meta(http_equiv="refresh", content=str(refresh))

    def get_image_dir(self) -> PathText:
        """Return the folder for images."""
        return self.img_dir

    def add_header(self, text: str) -> None:
        """Add a heading below what the page has so far."""
        with self.doc:
            tags.h3(readable(str(text)))

    def add_images(
        self, ims: Iterable[Name], txts: Iterable[str], links: Iterable[Name], width: int = 400
    ) -> None:
        """Add a row of images.

        Args:
            ims: files in the folder ``images``.
            txts: the captions.
            links: files in the folder ``images`` that a click on an image opens.
            width: of an image on the screen, in pixels.
        """
        with self.doc:
            self.t = tags.table(border=1, style="table-layout: fixed;")
        with self.t, tags.tr():
            for im, txt, link in zip(ims, txts, links, strict=False):
                picture = tags.img(style=f"width:{int(width)}px", src=_url(im))
                style = "word-wrap: break-word; vertical-align: top;"
                tags.td(tags.a(picture, href=_url(link)), tags.p(readable(str(txt))), style=style)

    def save(self) -> None:
        """Write the page. Raises UserError: it cannot be written."""
        page = self.doc.render().encode(errors="replace")
        write_atomically(Path(self.web_dir) / "index.html", page)


def _url(file: Name) -> str:
    """Return the address of a file in the folder ``images``, relative to the page."""
    return quote(os.fsencode(posixpath.join("images", os.fspath(file).replace(os.sep, "/"))))


def save_images(
    webpage: HTML,
    visuals: Mapping[str, Any],
    image_path: Sequence[str | os.PathLike[str]],
    aspect_ratio: float = 1.0,
    width: int = 256,
    use_wandb: bool = False,
) -> None:
    """Save the first image of each batch as ``STEM_LABEL.png``, and add a row to a page.

    Args:
        webpage: the page; the files go to its folder of images.
        visuals: label -> images (N, C, H, W) in [-1, 1]; see :func:`util.images.show_images`.
        image_path: the files that the batch was read from; STEM is that of the first one.
        aspect_ratio: factor of height / width, see :func:`util.util.save_image`.
        width: of an image on the page, in pixels.
        use_wandb: also log the images in the W&B run that the caller has started.
    """
    folder = Path(webpage.get_image_dir())
    stem = os.path.splitext(ntpath.basename(image_path[0]))[0]  # handles paths of Windows, too
    images = show_images(visuals)
    files = {label: f"{stem}_{label}.png" for label in images}
    for label, image in images.items():
        save_image(image, folder / files[label], aspect_ratio)
    webpage.add_header(stem)
    webpage.add_images(list(files.values()), list(files), list(files.values()), width=width)
    if use_wandb:
        with needs("--use_wandb", "wandb"):
            import wandb
        wandb.log({label: wandb.Image(image) for label, image in images.items()})
