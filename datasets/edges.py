"""Draw the edges of photos, for an edges-to-photo dataset: dark lines, one pixel wide, on white.

    python scripts/edges.py --input photos --output edges                  # Canny's detector; needs: pip install scikit-image
    python scripts/edges.py --input photos --output edges --hed hed.onnx   # holistically nested edge detection, as officially

Files keep their names, so that datasets/combine_A_and_B.py makes pairs of the two folders. The edges are cleaned as those of the
official datasets: suppressed where they are not the highest across their direction (HED), cut at --threshold, thinned, and
without components of fewer than --small_edge pixels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "datasets"))
from prepare import write_image

from data.image_folder import make_dataset, read_image
from scripts.evaluation.external import load_network, need, run, to_batch
from util.console import Progress, run_main, say
from util.errors import UserError
from util.image.metrics import Array

BORDER = 128  # of mirrored pixels around what HED sees


def canny(photo: Image.Image, sigma: float) -> Array:
    """Edges (H, W) as True, by Canny's detector with blur ``sigma`` on the gray photo."""
    feature = need("skimage.feature", "scripts/edges.py", "scikit-image")
    return feature.canny(np.asarray(photo.convert("L"), np.float64) / 255, sigma)


def hed(photo: Image.Image, network: Callable, offset: int) -> Array:
    """Edge probabilities (H, W) of a network that takes BGR minus its mean; of several maps the last, which is the fused one."""
    import torch

    pad = min(BORDER, photo.width - 1, photo.height - 1)
    batch = torch.nn.functional.pad(to_batch([photo], "hed"), (pad,) * 4, mode="reflect")
    out = run(network, batch, "--hed")
    if (
        out.ndim != 4
        or min(
            out.shape[-2] - pad - offset - photo.height, out.shape[-1] - pad - offset - photo.width
        )
        < 0
    ):
        raise UserError(
            f"--hed: for {tuple(batch.shape)} it gives {tuple(out.shape)}; wanted is a map of the same "
            "height and width"
        )
    return (
        out[0, -1, pad + offset :, pad + offset :][: photo.height, : photo.width]
        .clamp(0, 1)
        .double()
        .numpy()
    )


def suppress(edges: Array) -> Array:
    """``edges`` (H, W), 0 where a neighbour across the edge is higher, and towards the image's rim.

    The direction is that of the largest second derivative after smoothing by a triangle of radius 4, as in the official clean-up
    (Dollár's structured edge toolbox).
    """
    ndimage = need("scipy.ndimage", "scripts/edges.py", "scikit-image")
    triangle = np.bartlett(11)[1:-1] / 5
    smooth = ndimage.convolve1d(ndimage.convolve1d(edges, triangle, 0), triangle, 1)
    down, right = np.gradient(smooth)
    (down2, mixed), right2 = np.gradient(down), np.gradient(right)[1]
    angle = 0.5 * np.arctan2(
        2 * mixed, right2 - down2
    )  # of an axis of the Hessian, from right to down
    along = (
        right2 * np.cos(angle) ** 2
        + 2 * mixed * np.sin(angle) * np.cos(angle)
        + down2 * np.sin(angle) ** 2
    )
    angle = np.where(np.abs(along) < np.abs(right2 + down2 - along), angle + np.pi / 2, angle)
    step = np.stack((np.sin(angle), np.cos(angle)))
    place = np.indices(edges.shape)
    sides = [
        ndimage.map_coordinates(edges, place + sign * step, order=1, mode="nearest")
        for sign in (-1, 1)
    ]
    kept = np.where(edges * 1.01 >= np.maximum(*sides), edges, 0)
    rim = np.minimum(*(np.minimum(i, n - 1 - i) for i, n in zip(place, edges.shape, strict=True)))
    return kept * np.minimum(1, rim / 5)


def clean(edges: Array, small: int) -> Image.Image:
    """Edges (H, W) as True, thinned, without components of fewer than ``small`` pixels: black on white."""
    morphology: Any = need("skimage.morphology", "scripts/edges.py", "scikit-image")
    measure: Any = need("skimage.measure", "scripts/edges.py", "scikit-image")
    components = measure.label(morphology.thin(edges), connectivity=2)
    large = np.bincount(components.ravel()) >= small
    large[0] = False  # the ground
    return Image.fromarray(np.where(large[components], 0, 255).astype(np.uint8)).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--input", required=True, help="folder of photos (sub-folders included)")
    add("--output", type=Path, required=True, help="folder for the edges")
    add(
        "--hed",
        metavar="FILE",
        help="edge network, TorchScript or ONNX: (1, 3, H, W) BGR minus its mean to (1, 1, H, W), "
        "0 to 1",
    )
    add(
        "--hed_offset",
        type=int,
        default=0,
        help="by how many pixels its map lies further down and right (Caffe's HED: 35)",
    )
    add(
        "--size",
        type=int,
        default=256,
        help="make photos so many pixels wide and high, 0: leave them (default: 256)",
    )
    add(
        "--sigma",
        type=float,
        default=2.0,
        help="blur before Canny's detector: more for fewer edges (default: 2)",
    )
    add(
        "--threshold", type=float, default=25 / 255, help="of HED's edges, 0 to 1 (default: 25/255)"
    )
    add(
        "--small_edge", type=int, default=5, help="shorter ones are deleted, in pixels (default: 5)"
    )
    args = parser.parse_args()
    paths = make_dataset(args.input)
    if args.output.resolve() == Path(args.input).resolve():
        raise UserError(
            "--input and --output are the same folder; the edges would replace the photos"
        )
    network = load_network(args.hed, "--hed") if args.hed else None
    progress = Progress(len(paths), "Edges")
    for path in paths:
        photo = read_image(path)
        size = (args.size, args.size) if args.size else photo.size
        if network:
            found = np.asarray(
                Image.fromarray(hed(photo, network, args.hed_offset).astype(np.float32)).resize(
                    size, Image.Resampling.BICUBIC
                ),
                np.float64,
            )
            edges = suppress(found) >= max(args.threshold, 1e-6)
        else:
            edges = canny(photo.resize(size, Image.Resampling.BICUBIC), args.sigma)
        write_image(
            clean(edges, args.small_edge),
            args.output / Path(path).relative_to(args.input),
            quality=100,
        )
        progress.update()
    progress.close()
    say(f"{len(paths)} edge maps: {args.output}")


if __name__ == "__main__":
    run_main(main)
