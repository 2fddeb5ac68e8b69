"""Makes a study: a folder with a page and its images, and a key that stays with the researcher."""

from __future__ import annotations

import json
import os
import secrets
import time
from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from data.image_file import check_values, evenly_spread, limit_pixels
from data.rasters.folder import LOOKED_AT
from data.rasters.header import describe
from data.rasters.shown import PREVIEWS, preview_of
from options.flags.data import MAX_PIXELS
from options.flags.flag import Flag
from scripts.arguments import IMAGES, SEED, Output
from scripts.evaluation.pairs import Images, find_images
from scripts.study_tools.images import Pair, draw_pairs, write_images
from scripts.study_tools.key import KEY_VERSION, with_checksum
from scripts.study_tools.page import asset, write_page
from util.console import say
from util.errors import UsageError, UserError, culprit, printable
from util.files import read_text, real_path, write_atomically
from util.limits import real, whole
from util.words import amount

Pool = dict[str, list[Pair]]  # "practice" and "scored" -> pairs


def web_address(text: str) -> str:
    """Return an http or https URL. Raises ArgumentTypeError for anything else."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ArgumentTypeError(f"{text}: should be a URL that begins with https:// or http://")
    return text


FLAGS = (
    Flag("results", Path, [], "pages of test.py, e.g. results/NAME/test_latest", "+", "DIR"),
    Flag("label", ("fake_A", "fake_B"), "fake_B", "which of their images (default: fake_B)"),
    Flag("add", str, [], "another method (repeatable)", None, f"NAME={IMAGES}", repeatable=True),
    Flag("real", str, None, "real images (default: those of the first page)", None, IMAGES),
    Flag(
        "paired", bool, False, "pair each image with its own target; Isola et al. did not for maps"
    ),
    Flag("output", Output(folder=True), None, "folder of the study, new or empty", required=True),
    Flag("key", Output(".json"), None, "file of the key (default: OUTPUT_key.json)"),
    Flag("title", str, "Which image is real?", "of the page"),
    Flag("what", str, "images", 'what is shown, a plural, e.g. "satellite photos"'),
    Flag("contact", str, None, "who runs the study and how to reach them, for the consent text"),
    Flag("consent", Path, None, "your own consent text instead, as plain text", metavar="FILE"),
    Flag("post", web_address, None, "also send each result there (POST)", metavar="URL"),
    Flag("practice", whole(0, 100), 10, "practice trials with feedback (default: 10)"),
    Flag("trials", whole(1, 1000), 40, "scored trials (default: 40)"),
    Flag("pairs", whole(1, 10_000), 100, "at most that many scored pairs a method (default: 100)"),
    Flag("size", whole(16, 1024), 256, "width and height of the images (default: 256)"),
    Flag("seconds", real(0.05, 60), 1.0, "how long an image is shown (default: 1)"),
    Flag("seed", SEED, 0, "seed of the drawn images (default: 0); names are always random"),
    MAX_PIXELS,
)


def make(args: Namespace) -> None:
    """Write the folder ``args.output`` and the key ``args.key``.

    Raises:
        UsageError: options are missing or contradict each other.
        UserError: there are too few images, or the folder or the key exists already.
    """
    limit_pixels(args.max_pixels)
    place = real_path(args.output)  # "." has no name
    key = args.key or place.parent / f"{place.name}_key.json"
    if args.pairs < args.trials:
        raise UsageError(f"--pairs {args.pairs}: should be at least --trials {args.trials}")
    check_places(args.output, key)
    consent, found, reals = consent_text(args), methods(args), real_images(args)
    pools = {name: pool_of(name, fakes, reals, args) for name, fakes in found.items()}
    everything = [pair for pool in pools.values() for pairs in pool.values() for pair in pairs]
    write_images(everything, args.output / "images", args.size)
    study, made = secrets.token_hex(8), time.time()
    groups = {secrets.token_hex(4): name for name in pools}
    settings = {name: getattr(args, name) for name in ("practice", "trials", "seconds", "size")}
    content = {"version": KEY_VERSION, "study": study, "made": int(made), **settings}
    content["groups"] = {
        token: {"name": name}
        | {part: [asdict(pair) for pair in pairs] for part, pairs in pools[name].items()}
        for token, name in groups.items()
    }
    write_atomically(key, json.dumps(with_checksum(content), indent=1).encode(), "--key")
    shown = {"study": study, **settings, "post": args.post}
    shown["groups"] = {token: shown_pairs(pools[name]) for token, name in sorted(groups.items())}
    write_page(args.output, args.title, args.what, consent, shown)
    for path in sorted(args.output.rglob("*.*")):
        os.utime(path, (made, made))
    report(args, key, groups, pools)


def check_places(output: Path, key: Path) -> None:
    """Raise an error if a study would replace another one, or if its key would be published."""
    if real_path(key).is_relative_to(real_path(output)):
        raise UsageError(f"--key {key}: should be outside of --output, which participants see")
    if output.is_dir() and any(output.iterdir()):
        raise UserError(f"--output {output}: is not empty; a study needs a new folder")
    if key.exists():
        raise UserError(f"--key {key}: exists already, and answers of its study may need it")


def consent_text(args: Namespace) -> str:
    """Return the researcher's own consent text, or ours with the researcher's contact.

    Raises:
        UsageError: neither ``--contact`` nor ``--consent`` is given.
        UserError: the file cannot be read, or is empty.
    """
    if args.consent is None:
        if args.contact is None:
            raise UsageError(
                "give --contact (who runs the study, and how to reach them) or --consent FILE"
            )
        return Template(asset("consent.txt")).substitute(contact=args.contact)
    with culprit("--consent"):
        text = read_text(args.consent)
    if not text.strip():
        raise UserError(f"--consent {args.consent}: is empty")
    return text


def methods(args: Namespace) -> dict[str, Images]:
    """Return the generated images of each method by its name.

    Raises:
        UsageError: no method is given, or two have the same name.
        UserError: a folder has no such images.
    """
    sources: list[tuple[str, str, str]] = []  # name, source, option
    for folder in args.results:
        images = images_of(folder)
        page = real_path(images).parent  # results/NAME/test_latest
        sources.append((page.parent.name, f"{images}:{args.label}", "--results"))
    for text in args.add:
        name, equals, source = text.partition("=")
        if not (name.strip() and equals and source):
            raise UsageError(f"--add {text}: should be NAME=DIR or NAME=DIR:LABEL")
        sources.append((name.strip(), source, "--add"))
    if not sources:
        raise UsageError("give --results or --add: the study needs images of at least one method")
    found: dict[str, Images] = {}
    for name, source, option in sources:
        name = printable(name)  # the name of a folder may hold line ends
        if name in found:
            raise UsageError(f"two methods are called {name!r}; give one as --add NAME=DIR:LABEL")
        with culprit(option):
            found[name] = shown_images(source, args)
    return found


def images_of(folder: Path) -> Path:
    """Return the folder of the images of a results page, given the page's folder or that one."""
    return folder / "images" if (folder / "images").is_dir() else folder


def real_images(args: Namespace) -> Images:
    """Set the default of ``--real``, those of the first results page, and return the images.

    Raises:
        UsageError: neither is given.
        UserError: the folder has no such images.
    """
    if args.real is None:
        if not args.results:
            raise UsageError("give --real: only pages of test.py (--results) hold real images")
        args.real = f"{images_of(args.results[0])}:{args.label.replace('fake', 'real')}"
    with culprit("--real"):
        return shown_images(args.real, args)


def shown_images(source: str, args: Namespace) -> Images:
    """Return the pictures of a source by stem; results of other values are shown by previews.

    Raises UserError: there are none, or an image is more than a picture and on no page of test.py.
    """
    files = find_images(source, values=True)
    shown = {stem: preview_of(path) or path for stem, path in files.items()}
    others = [path for stem, path in shown.items() if path == files[stem]]
    previews = any((images_of(page).parent / PREVIEWS).is_dir() for page in args.results)
    for path in evenly_spread(others, LOOKED_AT):
        header = describe(path)
        if not header.is_bytes and (previews or header.dtype != "uint16"):
            raise UserError(
                f"{path} holds {header.dtype} values, and no page of test.py shows it as a "
                "picture; take real images from the page, too: --real PAGE/images:real_B"
            )
    check_values(sorted(others), source)
    return shown


def pool_of(name: str, fakes: Images, reals: Images, args: Namespace) -> Pool:
    """Return the pairs of a method for practice, the same for all participants, and for scoring.

    Raises UserError: there are fewer than one session needs.
    """
    pairs = draw_pairs(fakes, reals, args.practice + args.pairs, args.paired, args.seed)
    needed = args.practice + args.trials
    if len(pairs) < needed:
        kind = "pairs with the same stem" if args.paired else "pairs"
        raise UserError(
            f"{name} has {amount(len(fakes), 'image')} and {args.real} {len(reals)}, which makes "
            f"{len(pairs)} {kind}; a session needs {needed} (--practice {args.practice} and "
            f"--trials {args.trials})"
        )
    return {"practice": pairs[: args.practice], "scored": pairs[args.practice :]}


def shown_pairs(pool: Pool) -> dict[str, list[list[str]]]:
    """Return what the page gets to see of a pool.

    Practice pairs begin with the real image, for the feedback. Scored pairs and their images are
    in random order.
    """
    random = secrets.SystemRandom()
    scored = [random.sample([pair.real, pair.fake], 2) for pair in pool["scored"]]
    random.shuffle(scored)
    return {"practice": [[pair.real, pair.fake] for pair in pool["practice"]], "scored": scored}


def report(args: Namespace, key: Path, groups: dict[str, str], pools: dict[str, Pool]) -> None:
    """Print where the study and its key are, and the link for each method."""
    say(f"Page: {args.output / 'index.html'} (it assigns a random method to each participant)")
    for token, name in groups.items():
        count = amount(len(pools[name]["scored"]), "scored pair")
        say(f"  {name}, {count}: index.html?group={token}")
    say(f"Key: {key} (keep it; it says which images are real)")
