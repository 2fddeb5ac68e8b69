"""The images that test.py saves, and their page."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from data.listing import stem
from models.base_model import BaseModel
from models.translation.batch import translate_batch
from models.translation.output_files import OutputFiles
from util import checkpoint
from util.console import say
from util.errors import UserError
from util.image.preview import Preview
from util.image.writing import stretched
from util.images import show_images
from util.pages.page import PREVIEWS, link, row, write_metrics, write_page
from util.values import FILE, DomainValues, domain_of, masks_of, save
from util.words import natural

SCRIPTS = ("page.js", "viewer.js", "statistics.js", "summary.js", "address.js", "results.js")


class Results:
    """Writes ``results/NAME/PHASE_EPOCH[_iterN]/index.html`` and ``images/STEM_LABEL.png``.

    Images that are more than 8-bit pictures are written as the files of their domain are, such as
    ``images/STEM_LABEL.tif``; the page shows them by ``previews/STEM_LABEL.png``, and
    ``values.json`` says what values they hold. The page also reads ``metrics.js``, which
    ``scripts/evaluate.py --page`` fills.
    """

    def __init__(self, opt: Namespace, domains: DomainValues | None = None) -> None:
        """Create the folder.

        Args:
            domains: the rules of the values of the folders A and B; None: 8-bit images.

        Raises UserError: it cannot be created, or ``--format`` does not suit the values.
        """
        self.opt, self.notes = opt, list[str]()
        domains = domains or {"A": None, "B": None}
        self.files = OutputFiles(opt, domains, self.note)
        self.how = Preview.of(opt, Path(opt.checkpoints_dir) / opt.name, domains)
        iteration = f"_iter{opt.load_iter}" if opt.load_iter > 0 else ""
        self.folder = Path(opt.results_dir, opt.name, f"{opt.phase}_{opt.epoch}{iteration}")
        try:
            (self.folder / "images").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--results_dir {opt.results_dir}: cannot create {self.folder}: {error.strerror}"
            ) from None
        averaged = ", averaged weights" if checkpoint.takes_averages(opt) else ""
        size = f" {opt.load_size}" if opt.preprocess != "none" else ""
        (self.folder / FILE).unlink(missing_ok=True)
        # Of the labels real_A and real_B, which with --direction BtoA show the folders B and A
        save(self.folder, {x: domains[domain_of(f"real_{x}", opt.direction)] for x in "AB"})
        self.notes += [
            f"{opt.model}, {opt.netG}, {opt.direction}, epoch {opt.epoch}{averaged}, "
            f"images of {opt.dataroot}, preprocess {opt.preprocess}{size}"
        ]
        if not opt.eval and ("batch" in opt.norm or not opt.no_dropout):
            self.notes.append(
                "Dropout and batch statistics are active, as in the pix2pix paper "
                f"(seed {opt.seed}; --eval turns them off)"
            )
        self.notes += [f"{images}: {text}" for images, text in self.how.facts().items()]
        self.stems: dict[tuple[str, str], str] = {}  # (folder, stem) -> the first path with it
        self.rows: list[tuple[str, str]] = []  # (stem, HTML)
        self.numbers: dict[tuple[str, str], list[float]] = {}  # (label, name) -> values
        self.metrics: dict[str, dict[str, float]] = {}  # URL of an image -> name -> value

    def note(self, text: str) -> None:
        """Print a line that the head of the page shows, too. The same line is printed once."""
        if text not in self.notes:
            say(text)
            self.notes.append(text)

    def add(self, model: BaseModel, limit: int, batch: dict | None = None) -> None:
        """Save the model's last images, at most ``limit`` items, with a row of the page for each.

        Args:
            batch: the model's input, with masks of the pixels that hold data, if there are any.

        Raises UserError: ``--save`` names a label that the model does not have; or the model has no
        images, or no paths to name their files after.
        """
        paths, visual_paths = model.get_image_paths(), model.visual_paths
        visuals = model.get_current_visuals()
        for name, values in (("visual_names", visuals), ("image_paths", paths)):
            if not values:
                raise UserError(
                    f"--model {self.opt.model}: its {name} are empty, so nothing is saved"
                )
        chosen = {label: visuals[label] for label in self.wanted(visuals)}
        masks = masks_of(batch)
        for i, path in enumerate(paths[:limit]):
            sources = {label: visual_paths.get(label, paths)[i] for label in chosen}
            files, previews, size = self._save(chosen, i, sources, masks)
            self.add_row(path, files, sources, size, previews)
            self._note_metrics(getattr(model, "image_metrics", {}), files, i)

    def wanted(self, labels: Collection[str]) -> list[str]:
        """Return those of a model's labels that are saved.

        Raises UserError: ``--save`` names another one.
        """
        if unknown := set(self.opt.save or ()) - set(labels):
            raise UserError(f"--save {' '.join(unknown)}: this model gives {', '.join(labels)}")
        return [label for label in labels if label in (self.opt.save or labels)]

    def add_row(
        self,
        path: str,
        files: dict[str, str],
        sources: dict[str, str],
        size: tuple[int, int] | None,
        previews: dict[str, str],
        details: dict[str, str] | None = None,
    ) -> None:
        """Add a row to the page.

        Args:
            path: of the image that names it.
            files: label -> file in the folder ``images``.
            sources: label -> the file that the image was read or made from.
            size, previews, details: see :func:`util.pages.page.row`.
        """
        name, shown = self.stem(path), true_images(sources)
        self.rows.append((name, row(name, files, size, shown, previews, details)))

    def _save(
        self, images: dict[str, Any], i: int, sources: dict[str, str], masks: dict[str, Any]
    ) -> tuple[dict[str, str], dict[str, str], tuple[int, int] | None]:
        """Save image ``i`` of each label; return its files, those of its previews, and its size."""
        files, previews, size, ratio = {}, {}, None, self.opt.aspect_ratio
        rules = {label: self.files.rule_of(label, image) for label, image in images.items()}
        shown = self.pictures(images, i, rules, masks)
        for label, image in images.items():
            if label not in shown:
                continue
            name, rule = self.name_of(label, sources[label]), rules[label]
            files[label] = f"{name}.{self.files.format_of(rule)}"
            file = self.folder / "images" / files[label]
            if rule or self.opt.format in ("tif", "npy"):
                previews[label] = f"{name}.png"
                self.files.save_raster(label, image, i, file, sources[label], masks, shown[label])
                self.files.writer.save(shown[label], self.folder / PREVIEWS / previews[label])
            else:
                self.files.writer.save(shown[label], file, ratio)
            size = stretched((shown[label].shape[1], shown[label].shape[0]), ratio)
        return files, previews, size

    def name_of(self, label: str, source: str) -> str:
        """Return the name of a file of results, without its extension."""
        return f"{self.stem(source)}_{label}"

    def pictures(
        self, images: dict[str, Any], i: int, rules: dict[str, Any], masks: dict[str, Any]
    ) -> dict[str, np.ndarray]:
        """Return image ``i`` of each label as uint8 (H, W, C), as the page shows it.

        Args:
            rules: label -> its rule; None: an 8-bit picture.
            masks: see :func:`util.images.show_images`.
        """
        shown = show_images({k: images[k] for k in images if not rules[k]}, i, self.note)
        if any(rules.values()):
            previewed = show_images(images, i, self.note, self.how, masks)
            shown |= {label: picture for label, picture in previewed.items() if rules[label]}
        return shown

    def _note_metrics(self, metrics: dict, files: dict[str, str], i: int) -> None:
        """Keep the model's own metrics of image ``i`` of a batch, for the page."""
        for label in files.keys() & metrics.keys():
            url = link(files[label])
            self.metrics[url] = {name: values[i] for name, values in metrics[label].items()}
            for name, value in self.metrics[url].items():
                self.numbers.setdefault((label, name), []).append(value)

    def stem(self, path: str) -> str:
        """Return the path below testA, test, ... or dataroot itself, without its extension.

        The extension stays, as in ``a_png``, if another file of that folder has the same stem.
        """
        try:
            inner = Path(os.path.abspath(path)).relative_to(os.path.abspath(self.opt.dataroot))
        except ValueError:  # the files of a custom dataset may lie elsewhere
            inner = Path(Path(path).name)
        parts, phase = list(inner.with_suffix("").parts), self.opt.phase
        folder = ""
        if len(parts) > 1 and re.fullmatch(f"{re.escape(phase)}([AB]\\d*)?", parts[0]):
            folder, *parts = parts
        stem = "/".join(parts)
        if self.stems.setdefault((folder, stem), path) != path:
            stem += inner.suffix.replace(".", "_")
        return stem

    def close(self) -> None:
        """Wait for the images and write the page. Raises UserError: an image was not written."""
        self.files.writer.close()
        for (label, name), numbers in self.numbers.items():
            self.note(f"{label}: {name} {sum(numbers) / len(numbers):.2f} on average")
        write_metrics(self.folder, self.metrics)
        title, width = f"Results of {self.opt.name}", self.opt.display_winsize
        rows = [html for _, html in sorted(self.rows, key=lambda pair: natural(pair[0]))]
        write_page(self.folder, title, self.notes, rows, width, SCRIPTS, data="metrics.js")


def translate_batches(
    model: BaseModel, batches: Iterable[dict], results: Results, count: int
) -> Iterator[int]:
    """Translate whole images, and add them to the page; yield the number of images of each batch.

    Args:
        count: the number of images that are tested.
    """
    done, opt = 0, results.opt
    for batch in islice(batches, -(-count // opt.batch_size)):
        translate_batch(model, batch, opt.seed)
        results.add(model, count - done, batch)
        done += len(model.get_image_paths())
        yield len(model.get_image_paths())


def true_images(sources: dict[str, str]) -> dict[str, str]:
    """Return which image shows what a translation should look like: "fake_B" -> "real_B".

    Args:
        sources: label -> the file that the image was read or made from. Files of a pair have the
            same name apart from _A and _B.
    """
    real = {label: label.replace("fake_", "real_") for label in sources if "fake_" in label}
    return {
        fake: true
        for fake, true in real.items()
        if true in sources and stem(sources[fake]) == stem(sources[true])
    }
