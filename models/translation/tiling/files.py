"""Files that are translated window by window, so that no image has to fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from data.rasters.header import any_size
from data.rasters.tags import KeptTags
from data.windows.opening import FileSource
from data.windows.protocols import WindowSource
from data.windows.tiff import NotWindowed
from models.translation.tiling.finished import Finished
from models.translation.tiling.journal import identity
from models.translation.tiling.network import TiledNetwork
from models.translation.translator import Translator
from models.translation.window_files import FileSink
from util.errors import UsageError, UserError
from util.image.raster_writing import KINDS
from util.image.window_writing import unfinished


class WindowedFiles:
    """Translates TIFF and ``.npy`` files with ``--tile``, from file to file."""

    def __init__(
        self,
        translator: Translator,
        tags: KeptTags,
        note: Callable[[str], None],
        folder: Path | None = None,
    ) -> None:
        """Args:
        note: prints a line, the same line once.
        folder: of the results, in which those that are finished are listed; None for a single one.
        """
        self.opt, self.values, self.note = translator.opt, translator.values, note
        self.network, self.tags = translator.model.netG, tags
        record = folder if isinstance(self.network, TiledNetwork) else None
        self.finished = record and Finished(record / "unfinished.json")
        self.reasons: set[str] = set()  # kinds of files for which a line has been printed

    def translate(self, source: Path, target: Path, partners: Sequence[str] = ()) -> bool:
        """Translate a file; another process that was stopped is resumed.

        Args:
            partners: the files of the further inputs of the image, whose bands are joined.

        Returns: False if one of the files cannot be read or written in windows, after a line that
            says so; then it is to be translated as a whole.

        Raises:
            UserError: the source is damaged, or the target cannot be written.
        """
        network, opt = self.network, self.opt
        if not isinstance(network, TiledNetwork):  # without --tile
            return False
        if opt.preprocess != "none":
            return self._whole("--preprocess", f"--preprocess {opt.preprocess} needs whole images")
        kind = target.suffix.lower()
        if kind not in KINDS or KINDS[kind] == "png":
            return self._whole(kind, f"{kind[1:]} files are written whole (--format tif or npy)")
        try:
            given, exif = self.values.source, not opt.no_exif
            image = FileSource(str(source), given, opt.input_nc, exif, partners)
        except NotWindowed as error:
            return self._whole(source.suffix.lower(), str(error))
        height, width = network.tiled.output_size(image.height, image.width)
        channels = network.tiled.graph.channels(image.channels)[-1]
        with any_size():
            tags = self.tags.of(str(source), (width, height), KINDS[kind], same_bands=False)
        rule = self.values.target
        origin = f"{[identity(x) for x in (str(source), *partners)]} {(given, rule, exif)}"
        key = network.tiled.key(image.height, image.width, origin)
        if self.finished and (target, key) in self.finished:
            self.note("Images that an earlier process has finished, with the same settings, stay")
            return True
        sink = FileSink(target, (height, width, channels), rule, tags, self.note, resume=True)
        translate_file(network, image, sink, target, origin, self.note)
        if remark := image.remark():
            self.note(remark)
        if self.finished:
            self.finished.add(target, key, [])
        return True

    def close(self) -> None:
        """Remove the list of finished files: all are."""
        if self.finished:
            self.finished.remove()

    def _whole(self, kind: str, reason: str) -> bool:
        """Print why files are translated as a whole, once for each kind of file; return False."""
        if kind not in self.reasons:
            self.reasons.add(kind)
            self.note(f"{reason}; --max_pixels limits their size")
        return False


def translate_file(
    network: TiledNetwork,
    image: WindowSource,
    sink: FileSink,
    target: Path,
    origin: str,
    note: Callable[[str], None],
) -> None:
    """Translate an image to a file; another process that was stopped is resumed.

    Args:
        sink: fills ``target``.
        note: prints a line.
        origin: see :meth:`Tiled.translate`, also for the errors.
    """
    done = unfinished(target).with_name(f"{unfinished(target).name}.json")
    try:
        network.tiled.translate(image, sink, done, origin, network.images)
    except KeyboardInterrupt:
        if done.exists():
            note(f"Stopped; the same command resumes from {done}")
        else:
            sink.discard()
        raise
    except UserError as error:
        if not done.exists():  # before anything was computed
            sink.discard()
        if isinstance(error, UsageError) or not done.exists():
            raise
        raise type(error)(f"{error} (the same command resumes from {done})") from None
