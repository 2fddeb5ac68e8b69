"""Draw the edges of photos, for an edges-to-photo dataset: dark lines on white, one pixel wide.

    python scripts/edges.py --input photos --output edges    # Canny's detector
    python scripts/edges.py --input photos --output edges --hed hed.onnx  # HED

Needs: pip install scikit-image. Files keep their names, so datasets/combine_A_and_B.py can pair
the two folders. The edges are cleaned like those of the official datasets: HED's are suppressed
where they are not the maximum across the edge, and cut at --threshold; all are thinned, and
components of fewer than --small_edge pixels are deleted.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from prepare import warn_leftovers, write_image

from data.image_file import read_image
from data.listing import list_images
from options.flags.flag import Flag
from scripts.arguments import Output
from scripts.image_arguments import ImageArguments
from util.console import Progress, run_main, say
from util.errors import UserError, needs
from util.files import real_path
from util.image.features import Network, load_network, run, to_batch
from util.image.metrics import Array
from util.limits import real, whole
from util.words import amount

FLAGS = (
    Flag("input", str, None, "folder of photos (sub-folders included)", required=True),
    Flag("output", Output(folder=True), None, "folder for the edges", required=True),
    Flag(
        "hed",
        str,
        None,
        "TorchScript or ONNX network: (1, 3, H, W), BGR minus the mean, to (1, 1, H, W)",
        metavar="FILE",
    ),
    Flag(
        "hed_offset",
        whole(0, 1000),
        0,
        "shift of HED's map down and right, in pixels (HED in Caffe: 35; default: 0)",
    ),
    Flag(
        "size",
        whole(0, 16384),
        256,
        "width and height of the results in pixels, 0: as the photo (default: 256)",
    ),
    Flag(
        "sigma",
        real(0, 100),
        2.0,
        "blur before Canny's detector; more blur, fewer edges (default: 2)",
    ),
    Flag("threshold", real(0, 1), 25 / 255, "minimum probability of HED's edges (default: 25/255)"),
    Flag("small_edge", whole(0, 10**9), 5, "delete edges of fewer pixels than this (default: 5)"),
)
BORDER = 128  # mirrored pixels around HED's input
# What needs which package; it installs SciPy, too
SKIMAGE = ("scripts/edges.py", "scikit-image")
BICUBIC = Image.Resampling.BICUBIC


def canny(photo: Image.Image, sigma: float) -> Array:
    """Edges as bool (H, W) by Canny's detector on the gray photo, blurred by ``sigma`` pixels."""
    gray = np.asarray(photo.convert("L"), np.float64) / 255
    with needs(*SKIMAGE):
        from skimage import feature
    return feature.canny(gray, sigma)


def hed(photo: Image.Image, network: Network, offset: int) -> Array:
    """Edge probabilities (H, W) of holistically nested edge detection (Xie and Tu, 2015).

    Args:
        network: takes (1, 3, H, W), BGR minus the mean; of several output channels the last is
            used, which is the fused map.
        offset: by how many pixels the map is shifted down and right.
    """
    import torch

    pad = min(BORDER, photo.width - 1, photo.height - 1)
    batch = torch.nn.functional.pad(to_batch([photo], "hed"), (pad,) * 4, mode="reflect")
    out = run(network, batch, "--hed")
    start = pad + offset
    edges = out[0, -1, start:, start:] if out.ndim == 4 else torch.empty(0, 0)
    edges = edges[: photo.height, : photo.width]
    if edges.shape != (photo.height, photo.width):
        raise UserError(
            f"--hed: the network returns {tuple(out.shape)} for {tuple(batch.shape)}; it should "
            "return a map (1, 1, H, W) of the same height and width"
        )
    return edges.clamp(0, 1).double().numpy()


def suppress(edges: Array) -> Array:
    """Set ``edges`` (H, W) to 0 where a neighbour across the edge is higher; fade out at the rim.

    The direction is that of the largest second derivative after smoothing by a triangle of radius
    4, as in Dollár's structured edge toolbox, which cleaned the official datasets.
    """
    with needs(*SKIMAGE):
        from scipy import ndimage
    triangle = np.bartlett(11)[1:-1] / 5
    smooth = ndimage.convolve1d(ndimage.convolve1d(edges, triangle, 0), triangle, 1)
    down, right = np.gradient(smooth)
    (down2, mixed), right2 = np.gradient(down), np.gradient(right)[1]
    angle = 0.5 * np.arctan2(2 * mixed, right2 - down2)  # of one axis of the Hessian
    sin, cos = np.sin(angle), np.cos(angle)
    along = right2 * cos**2 + 2 * mixed * sin * cos + down2 * sin**2
    angle = np.where(np.abs(along) < np.abs(right2 + down2 - along), angle + np.pi / 2, angle)
    step = np.stack((np.sin(angle), np.cos(angle)))
    position = np.indices(edges.shape)
    before, after = (
        ndimage.map_coordinates(edges, position + sign * step, order=1, mode="nearest")
        for sign in (-1, 1)
    )
    maxima = np.where(edges * 1.01 >= np.maximum(before, after), edges, 0)
    row, column = (np.minimum(i, n - 1 - i) for i, n in zip(position, edges.shape, strict=True))
    return maxima * np.minimum(1, np.minimum(row, column) / 5)  # distance from the rim


def clean(edges: Array, small: int) -> Image.Image:
    """Thin bool ``edges`` (H, W), delete components under ``small`` pixels, draw black on white."""
    with needs(*SKIMAGE):
        from skimage import measure, morphology
    components = measure.label(morphology.thin(edges), connectivity=2)
    large = np.bincount(components.ravel()) >= small
    large[0] = False  # the background
    return Image.fromarray(np.where(large[components], 0, 255).astype(np.uint8)).convert("RGB")


def draw(photo: Image.Image, args: Namespace, network: Network | None) -> Image.Image:
    """The cleaned edges of one photo, at ``--size``."""
    size = (args.size, args.size) if args.size else photo.size
    if network is None:
        return clean(canny(photo.resize(size, BICUBIC), args.sigma), args.small_edge)
    found = Image.fromarray(hed(photo, network, args.hed_offset).astype(np.float32))
    edges = suppress(np.asarray(found.resize(size, BICUBIC), np.float64))
    return clean(edges >= max(args.threshold, 1e-6), args.small_edge)


def build_parser() -> ImageArguments:
    return ImageArguments(__doc__, FLAGS)


def main() -> None:
    args = build_parser().parse_args()
    paths = list_images(args.input)
    if real_path(args.output) == real_path(args.input):
        raise UserError("--input and --output are the same folder; edges would replace photos")
    network = load_network(args.hed, "--hed") if args.hed else None
    targets = [args.output / Path(path).relative_to(args.input) for path in paths]
    progress = Progress(len(paths), "Drawing edges")
    for path, target in zip(paths, targets, strict=True):
        write_image(draw(read_image(path), args, network), target, quality=100)
        progress.update()
    progress.close()
    warn_leftovers(targets)
    say(f"{amount(len(paths), 'edge map')}: {args.output}")


if __name__ == "__main__":
    run_main(main)
