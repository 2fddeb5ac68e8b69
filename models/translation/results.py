"""The images that test.py saves, and their page."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from models.base_model import BaseModel
from util.errors import UserError
from util.images import ImageWriter, stretched, tensor2im
from util.pages.page import row, write_metrics, write_page


class Results:
    """``results/NAME/PHASE_EPOCH[_iterN]/index.html`` and ``images/STEM_LABEL.png``.

    The page also reads ``metrics.js``, which ``scripts/evaluate.py --page`` fills.
    """

    def __init__(self, opt: Namespace) -> None:
        self.opt = opt
        iteration = f"_iter{opt.load_iter}" if opt.load_iter > 0 else ""
        self.folder = folder = (
            Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.epoch}{iteration}"
        )
        try:
            (folder / "images").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--results_dir {opt.results_dir}: cannot make {folder}: {error.strerror}"
            ) from None
        self.notes = [
            f"{opt.model}, {opt.netG}, {opt.direction}, epoch {opt.epoch}, images of {opt.dataroot}, "
            f"preprocess {opt.preprocess}"
            + (f" {opt.load_size}" if opt.preprocess != "none" else "")
        ]
        if not opt.eval and ("batch" in opt.norm or not opt.no_dropout):
            self.notes.append(
                "Dropout and batch statistics are active, as in the pix2pix paper "
                f"(seed {opt.seed}; --eval turns them off)"
            )
        self.writer = ImageWriter()
        self.stems: dict[tuple[str, str], str] = {}
        self.rows: list[str] = []

    def add(self, model: BaseModel, limit: int) -> None:
        """Save the images of the model's last batch, at most ``limit`` of them, and add a row for each."""
        paths, others = model.get_image_paths(), model.get_visual_paths()
        visuals = model.get_current_visuals()
        if unknown := set(self.opt.save or ()) - set(visuals):
            raise UserError(f"--save {' '.join(unknown)}: this model gives {', '.join(visuals)}")
        labels = [label for label in visuals if not self.opt.save or label in self.opt.save]
        for i, path in enumerate(paths[:limit]):
            files = {
                label: f"{self.stem(others.get(label, paths)[i])}_{label}.{self.opt.format}"
                for label in labels
            }
            for label, file in files.items():
                image = tensor2im(visuals[label], i)
                self.writer.save(image, self.folder / "images" / file, self.opt.aspect_ratio)
            size = stretched((image.shape[1], image.shape[0]), self.opt.aspect_ratio)
            self.rows.append(row(self.stem(path), files, size))

    def stem(self, path: str) -> str:
        """The image's path below its folder (testA, test, or dataroot itself), without the extension."""
        try:
            inner = Path(os.path.abspath(path)).relative_to(os.path.abspath(self.opt.dataroot))
        except ValueError:  # a custom dataset may look elsewhere
            inner = Path(Path(path).name)
        parts = inner.with_suffix("").parts
        folder = (
            parts[0]
            if len(parts) > 1 and parts[0] in (self.opt.phase + d for d in ("", "A", "B"))
            else ""
        )
        stem = "/".join(parts[1:] if folder else parts)
        if (
            self.stems.setdefault((folder, stem), path) != path
        ):  # the folder also holds that stem with another extension
            stem += inner.suffix.replace(".", "_")
        return stem

    def close(self) -> None:
        """Raises UserError: an image was not written."""
        self.writer.close()
        write_metrics(self.folder, {})
        write_page(
            self.folder,
            f"Results of {self.opt.name}",
            self.notes,
            self.rows,
            self.opt.display_winsize,
            ("page.js", "results.js"),
            data="metrics.js",
        )
