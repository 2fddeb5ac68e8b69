"""Tests from file to file, window by window, so that no image has to fit into memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from data.pipeline.loader import Loader, Unreadable
from data.rasters.header import any_size
from data.windows.opening import FileSource
from data.windows.reduced import reduced, reduction
from data.windows.tiff import NotWindowed
from models.base_model import BaseModel
from models.translation.results import Results
from models.translation.tiling.files import translate_file
from models.translation.tiling.finished import Finished
from models.translation.tiling.journal import identity
from models.translation.window_files import FileSink, WrittenResult, copy
from util.console import say
from util.errors import UsageError, UserError
from util.modules import digest
from util.pages.page import PREVIEWS
from util.values import Values, domain_of, source_of

LONGEST = 1024  # of the sides of a preview, in pixels; larger images are reduced
REDUCED = f"Previews of images above {LONGEST} pixels are reduced; the files hold all pixels"


class Step(NamedTuple):
    """How a model makes a result: the attribute of its network, and the label of the input."""

    network: str
    source: str


# Module of the model and of the dataset -> label of a result -> how it is made. By their names,
# because a fork's own files may stand in place of ours; a class of its own is in another module.
STEPS = {
    ("models.test_model", "data.single_dataset"): {"fake": Step("netG", "real")},
    ("models.cycle_gan_model", "data.unaligned_dataset"): {
        "fake_B": Step("netG_A", "real_A"),
        "rec_A": Step("netG_B", "fake_B"),
        "fake_A": Step("netG_B", "real_B"),
        "rec_B": Step("netG_A", "fake_A"),
    },
}


class WindowedTest:
    """Translates the images of a test, and adds them to its page.

    The files are those that a test of whole images writes, except that a reconstruction is made
    from the file of the translation, whose values may be rounded.
    """

    def __init__(self, model: BaseModel, loader: Loader, results: Results, count: int) -> None:
        """Look at the headers of all files.

        Args:
            count: the number of images that are tested.

        Raises:
            NotWindowed: images have to be held whole, with the reason.
            UserError: ``--save`` names a label that the model does not have.
        """
        self.model, self.dataset, self.results = model, loader.dataset, results
        self.opt, self.count = results.opt, count
        modules = type(model).__module__, type(self.dataset).__module__
        self.steps = STEPS.get(modules, {}) if hasattr(self.dataset, "partners") else {}
        self._check()
        self.finished = Finished(results.folder / "unfinished.json")
        results.notes += [note for note in self.finished.notes if note not in results.notes]

    def _check(self) -> None:
        """Raise NotWindowed if images have to be held whole; see :meth:`__init__`."""
        opt = self.opt
        if not self.steps:
            kinds = f"--model {opt.model} with --dataset_mode {opt.dataset_mode}"
            raise NotWindowed(f"{kinds} is not translated from file to file")
        if opt.preprocess != "none":
            raise NotWindowed(f"--preprocess {opt.preprocess} needs whole images")
        self.labels = self.results.wanted(self.model.visual_names)
        for label in dict.fromkeys(self._real_label(label) for label in self.labels):
            for source in dict.fromkeys(self._source(label, i) for i in range(self.count)):
                with contextlib.suppress(Unreadable):  # raised again when its turn comes
                    self._real(label, source)
        for label in self.labels:
            kind, step = self._kind(label), self.steps.get(label)
            if kind not in ("tif", "npy"):
                raise NotWindowed(f"{label} is a {kind} file, written whole (--format tif or npy)")
            if step and step.source in self.steps and step.source not in self.labels:
                raise NotWindowed(f"{label} is made from the file of {step.source} (--save)")

    def run(self) -> Iterator[int]:
        """Translate all images, and add them to the page; yield 1 for each. See :meth:`add`."""
        for index in range(self.count):
            self.add(index)
            yield 1

    def add(self, index: int) -> None:
        """Translate image ``index`` of the dataset, and add its row to the page.

        What an earlier process has finished is not made again.

        Raises:
            Unreadable: an image is damaged, or a file cannot be written.
            UsageError: see :meth:`Tiled.translate`.
        """
        sources = {label: self._source(label, index) for label in self.labels}
        try:
            for label, source in sources.items():
                self._write(label, source)
            self._show(index, sources)
        except UsageError:
            raise
        except UserError as error:
            raise Unreadable(str(error)) from None

    def close(self) -> None:
        """Remove the record of what is finished: the page is written."""
        self.finished.remove()

    def _folder(self, label: str) -> str:
        """Return the domain in a batch, "A" or "B", of the image that a label is made from."""
        return "A" if label in ("real", "fake") else source_of(label, self.opt.direction)

    def _source(self, label: str, index: int) -> str:
        """Return the file that image ``index`` of a label is made from."""
        paths = getattr(self.dataset, f"{self._folder(label)}_paths")
        return paths[index % len(paths)]

    def _channels(self, label: str) -> int:
        return self.opt.output_nc if domain_of(label) == "B" else self.opt.input_nc

    def _rule(self, label: str) -> Values | None:
        return self.results.files.rule_for(label, self._channels(label))

    def _kind(self, label: str) -> str:
        """Return the format of a label's files."""
        return self.results.files.format_of(self._rule(label))

    def _target(self, label: str, source: str) -> Path:
        """Return the file of a label."""
        name = f"{self.results.name_of(label, source)}.{self._kind(label)}"
        return self.results.folder / "images" / name

    def _real_label(self, label: str) -> str:
        """Return the label of the real image that a label is made from."""
        while label in self.steps:
            label = self.steps[label].source
        return label

    def _real(self, label: str, source: str) -> FileSource:
        """Return the real image that a label is made from.

        Raises:
            NotWindowed: it can only be read whole.
            Unreadable: it is damaged.
        """
        label = self._real_label(label)
        exif, partners = not self.opt.no_exif, self.dataset.partners.get(source, ())
        try:
            return FileSource(source, self._rule(label), self._channels(label), exif, partners)
        except NotWindowed:
            raise
        except UserError as error:
            raise Unreadable(str(error)) from None

    def _image(self, label: str, source: str) -> FileSource | WrittenResult:
        """Return the image of a label; a result has been written before it is read."""
        real = self._real(label, source)
        if label not in self.steps:
            return real
        path = str(self._target(label, source))
        return WrittenResult(path, self._rule(label), self._channels(label), real)

    def _origin(self, label: str, given: str, source: str) -> str:
        """Return what identifies the image ``given`` that a label is made from, and its values."""
        files = [source, *self.dataset.partners.get(source, ())]
        rules = self._rule(given), self._rule(label)
        if given in self.steps:
            files.append(str(self._target(given, source)))
        return f"{[identity(file) for file in files]} {rules} {self.opt.no_exif}"

    def _write(self, label: str, source: str) -> None:
        """Write the file of a label, unless it is finished."""
        step, rule, target = self.steps.get(label), self._rule(label), self._target(label, source)
        given = step.source if step else label
        image = self._image(given, source)
        network = getattr(self.model, step.network) if step else None
        size, channels = (image.height, image.width), image.channels
        if network:
            size = network.tiled.output_size(*size)
            channels = network.tiled.graph.channels(channels)[-1]
        origin = self._origin(label, given, source)
        key = network.tiled.key(*size, origin) if network else digest((), origin)
        if (target, key) in self.finished:
            return
        note, outputs = self.results.note, self.results.files
        with any_size():
            tags = outputs.tags_of(label, source, size[::-1], target.suffix[1:], rule)
        sink = FileSink(target, (*size, channels), rule, tags, note, bool(network), label)
        if network:
            translate_file(network, image, sink, target, origin, note)
        else:
            copy(image, sink)
        # Only the first file that an image is read for reports its clipped values
        is_first = given not in self.labels or given == label
        if isinstance(image, FileSource) and is_first and (remark := image.remark()):
            note(remark)
        self.finished.add(target, key, self.results.notes)

    def _show(self, index: int, sources: dict[str, str]) -> None:
        """Add a row to the page, with previews of bounded size."""
        units, masks, details = dict[str, Any](), dict[str, Any](), dict[str, str]()
        for label, source in sources.items():
            image = self._image(label, source)
            times = reduction(image, LONGEST)
            unit, valid = reduced(image, times)
            units[label] = torch.from_numpy(unit).permute(2, 0, 1)[None]
            if valid is not None:
                masks[self._folder(label)] = torch.from_numpy(valid)[None, None]
            if times > 1:
                self.results.note(REDUCED)
                details[label] = f", {image.width}×{image.height} (preview 1:{times})"
        rules = {label: self._rule(label) for label in sources}
        results, files, previews, size = self.results, {}, {}, None
        for label, picture in results.pictures(units, 0, rules, masks).items():
            name = results.name_of(label, sources[label])
            files[label], previews[label] = f"{name}.{self._kind(label)}", f"{name}.png"
            results.files.writer.save(picture, results.folder / PREVIEWS / previews[label])
            size = picture.shape[1], picture.shape[0]
        first = self._source(self.model.visual_names[0], index)
        results.add_row(first, files, sources, size, previews, details)


def windowed_test(
    model: BaseModel, loader: Loader, results: Results, count: int
) -> WindowedTest | None:
    """Return a test from file to file; None, after a line, if images have to be held whole.

    Args:
        count: the number of images that are tested.

    Raises UserError: ``--save`` names a label that the model does not have.
    """
    try:
        return WindowedTest(model, loader, results, count)
    except NotWindowed as error:
        say(f"{error}: images are held in memory whole, and --max_pixels limits their size")
        return None
