"""Pairs: image A and image B side by side in a file, or in two folders, under the same name."""

from __future__ import annotations

import os
from argparse import Namespace

from data.base_dataset import get_params, get_transform
from data.dataset_of_images import BaseDataset, check_sizes, count_opaque
from data.image_to_tensor import Resize, apply_as_bytes, steps_of
from data.rasters.header import upright_size
from data.rasters.inputs import find_inputs, pair_folders, partners_of, place_of
from data.rasters.items import channels_of_domains, raster_entry
from data.rasters.rules import complete_pair
from util.errors import UserError
from util.option_defaults import ours, replaced


class AlignedDataset(BaseDataset):
    """Pairs of ``dataroot/train`` (or val, test): A is the left half of a file, B the right one.

    Without that folder, pairs are matched by name in ``trainA``, or ``trainA1``, ``trainA2``, ...,
    and ``trainB``. Both images of a pair get the same crop and flip.

    Attributes:
        AB_paths: the files; of two folders, those of A.
        B_of: file of image A -> file of image B, if they are not the same.
        pair: the rules of the values of both images; {} on the 8-bit path.
    """

    def __init__(self, opt: Namespace) -> None:
        super().__init__(opt)
        self.B_of: dict[str, str] = {}
        channels = self.input_nc, self.output_nc = channels_of_domains(opt)
        if os.path.isdir(os.path.join(opt.dataroot, opt.phase)) or not self._list_folders(opt):
            self.AB_paths = self.list_files(opt, opt.phase)
        files = {"A": self.AB_paths, "B": list(self.B_of.values()) or self.AB_paths}
        check_sizes(opt, self.AB_paths, n_side_by_side=1 if self.B_of else 2)
        name = opt.phase + "{}" * bool(self.B_of)
        self.set_values(files, dict(zip("AB", channels, strict=True)), name)
        self.pair = complete_pair(self.values, channels)
        self.values = dict(self.pair) or self.values
        rules = self.values.values()
        converted = [rule is None or rule.converts_pictures for rule in rules]
        if self.B_of:
            for domain, number, is_converted in zip("AB", channels, converted, strict=True):
                if is_converted:
                    count_opaque(files[domain], number, opt.phase + domain)
        elif all(converted):
            count_opaque(self.AB_paths, 4 if {2, 4} & set(channels) else 3, opt.phase)
        self.dir_AB = os.path.join(opt.dataroot, opt.phase)  # an official attribute, for subclasses

    def _list_folders(self, opt: Namespace) -> bool:
        """Find the pairs of trainA and trainB; return False if there are no such folders.

        Raises UserError: names an image without its partner.
        """
        inputs = pair_folders(opt.dataroot, opt.phase)
        for domain, folders in zip("AB", inputs, strict=False):
            if len(folders) > 1:
                self.find_files(opt, opt.phase + domain)
        if not inputs:
            return False
        firsts = [folders[0] for folders in inputs]
        self.AB_paths, partners = find_inputs(opt, firsts, self.list_files)
        self.B_of = {path: others[0] for path, others in partners.items()}
        return True

    def find_partners(self, path: str) -> None:
        super().find_partners(path)
        if self.B_of:
            root, folder, number = place_of(path)
            pair = pair_folders(root, folder[:-1])
            firsts = [folders[0] for folders in pair]
            if folder + number not in firsts[:1]:
                raise UserError(f"{path}: give the image of A, in a folder beside that of B")
            opt = replaced(self.opt, dataroot=root)
            self.B_of[path] = partners_of(path, firsts, opt, self.list_files)[0]

    def pixels(self, index: int) -> dict:
        """Return {"A": uint8 (C, H, W), "B": uint8 (C, H, W), "A_paths": str, "B_paths": str}.

        Both paths are that of the pair, if it is one file. Images that are not on the 8-bit path
        are floats, see :meth:`entry`.
        """
        if self.pair:
            return self._halves_of_values(self.AB_paths[index])
        path, opt, channels = self.AB_paths[index], self.opt, (self.input_nc, self.output_nc)
        other = self.B_of.get(path, path)
        resizes = [Resize(opt.preprocess, opt.load_size, nc == 1) for nc in channels]
        if self.B_of:
            exif = not ours(opt).no_exif
            _require_one_size(path, other, *(upright_size(x, exif=exif) for x in (path, other)))
            halves = [
                self.load_resized(file, [number], [resize])[0]
                for file, number, resize in zip((path, other), channels, resizes, strict=True)
            ]
        else:
            halves = self.load_resized(path, channels, resizes)
        steps = get_transform(opt, get_params(opt, halves[0].size)).transforms
        A, B = (apply_as_bytes(steps, half) for half in halves)
        return {"A": A, "B": B, "A_paths": path, "B_paths": other}

    def _halves_of_values(self, path: str) -> dict:
        """Return the item of a pair whose images follow the rules of the domains."""
        paths = {"A": path, "B": self.B_of.get(path, path)}
        item: dict = {}
        halves = {}
        for domain, rule in self.pair.items():
            array = self.used_array(paths[domain], rule)
            if paths["A"] == paths["B"]:
                middle = array.shape[1] // 2
                end = None if "resize" in self.opt.preprocess else 2 * middle  # as for 8 bits
                array = array[:, :middle] if domain == "A" else array[:, middle:end]
            halves[domain] = self.raster(array, rule, paths[domain])
        sizes = [raster.size for raster, _ in halves.values()]
        if self.B_of:
            _require_one_size(paths["A"], paths["B"], *sizes)
        steps = steps_of(get_transform(self.opt, get_params(self.opt, sizes[0])))
        for domain, (half, clipped) in halves.items():
            item |= raster_entry(domain, half, clipped, self.pair[domain], steps)
            item[f"{domain}_paths"] = paths[domain]
        return item

    def __len__(self) -> int:
        return len(self.AB_paths)


def _require_one_size(A: str, B: str, size_A: tuple[int, int], size_B: tuple[int, int]) -> None:
    """Raise UserError, which names both files, if the images of a pair differ in size."""
    if size_A != size_B:
        kinds = " and ".join(f"{width}x{height}" for width, height in (size_A, size_B))
        raise UserError(f"{A} and {B} are a pair, but have {kinds} pixels")
