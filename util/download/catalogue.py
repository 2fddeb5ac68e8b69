"""What can be downloaded: the datasets and trained models of the official pages, with what is known about each.

SHA-256 and exact sizes are those that TensorFlow Datasets records for the same archives; image counts are those it measured.
Where nothing is recorded, the first download writes the checksum beside the result and later ones are held to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from util.errors import UsageError

OFFICIAL = "efrosgans.eecs.berkeley.edu"
OLD = "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN"
# kind: path below the host (a mirror has the same), file ending, older places with all files of the kind in one folder
Place = tuple[str, str, tuple[str, ...]]
DATASETS: dict[str, Place] = {
    "cyclegan": ("cyclegan/datasets", ".zip", (f"{OLD}/datasets",)),
    "pix2pix": ("pix2pix/datasets", ".tar.gz", ()),
}
MODELS: dict[str, Place] = {
    "cyclegan": ("cyclegan/pretrained_models", ".pth", ()),
    "pix2pix": ("pix2pix/models-pytorch", ".pth", ()),
    "lua": ("cyclegan/models", ".t7", (f"{OLD}/models",)),
}
SPLITS = {"cyclegan": ("trainA", "trainB", "testA", "testB"), "pix2pix": ("train", "val", "test")}
MIB = 2**20


@dataclass(frozen=True)
class Item:
    """``size`` in bytes, exact where ``sha256`` is known, else about; ``counts``: images in the kind's folders, if known."""

    kind: str
    name: str
    place: Place
    size: int = 0
    sha256: str = ""
    counts: tuple[int, ...] = ()
    source: str = ""
    about: str = ""  # the number of images, where only that is known

    @property
    def file(self) -> str:
        return self.name + self.place[1]

    def urls(self, mirrors: list[str]) -> list[str]:
        """Where to look, in this order: the mirrors, the official host, older hosts."""
        hosts = [*mirrors, f"https://{OFFICIAL}", f"http://{OFFICIAL}"]
        folders = [f"{host.rstrip('/')}/{self.place[0]}" for host in hosts] + [*self.place[2]]
        return [f"{folder}/{self.file}" for folder in folders]


SOURCES = {
    "imagenet": "ImageNet photos: research only, not commercial",
    "flickr": "Flickr photos: the rights are their makers'",
    "art": "paintings from wikiart.org, Flickr photos: the rights are their makers'",
    "maps": "Google Maps: its terms",
    "facades": "CMP Facade Database: its terms",
    "zappos": "UT Zappos50K: research only, not commercial",
    "amazon": "Amazon product photos: no licence stated",
    "night": "Transient Attributes photos: their terms",
    "efros": "photos by A. Efros: no licence stated",
    "-": "not stated",
}
# kind, name, bytes (about: ~MiB, from third parties), SHA-256, images in each folder (about: ~pairs), source
_DATASETS = """
cyclegan ae_photos - - - efros
cyclegan apple2orange 78456409 845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8 995/1019/266/248 imagenet
cyclegan summer2winter_yosemite 132640856 167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9 1231/962/309/238 flickr
cyclegan horse2zebra 116867962 a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1 1067/1334/120/140 imagenet
cyclegan monet2photo 305231073 88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04 1072/6287/121/751 art
cyclegan cezanne2photo 279885071 3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff 525/6287/58/751 art
cyclegan ukiyoe2photo 292946532 02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08 562/6287/263/751 art
cyclegan vangogh2photo 306590349 362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff 400/6287/400/751 art
cyclegan maps 1476754427 639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e 1096/1096/1098/1098 maps
cyclegan facades 35135868 9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0 400/400/106/106 facades
cyclegan iphone2dslr_flower 339964458 8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113 1812/3325/569/480 flickr
cyclegan mini - - - -
cyclegan mini_pix2pix - - - -
cyclegan mini_colorization - - - -
cyclegan grumpifycat - - - -
pix2pix night2day - - ~20,000 night
pix2pix edges2handbags ~8200 - ~137,000 amazon
pix2pix edges2shoes ~2000 - ~50,000 zappos
pix2pix facades ~29 - 400 facades
pix2pix maps ~239 - 1096 maps
"""
_CYCLEGAN_MODELS = (
    "apple2orange orange2apple summer2winter_yosemite winter2summer_yosemite horse2zebra zebra2horse monet2photo style_monet "
    "style_cezanne style_ukiyoe style_vangogh sat2map map2sat facades_photo2label facades_label2photo iphone2dslr_flower"
)
_MODELS = {  # kind: MiB (from the number of parameters), names
    "cyclegan": (43.5, _CYCLEGAN_MODELS + " cityscapes_photo2label cityscapes_label2photo"),
    "pix2pix": (208, "edges2shoes sat2map map2sat facades_label2photo day2night"),
    "lua": (0, _CYCLEGAN_MODELS),
}


def _dataset(line: str) -> Item:
    kind, name, size, sha256, counts, source = line.split()
    bytes_ = int(float(size[1:]) * MIB) if size[0] == "~" else int(size.replace("-", "0"))
    images = tuple(map(int, counts.split("/"))) if counts[0] not in "-~" else ()
    about = f"about {counts[1:]} pairs" if counts[0] == "~" else ""
    return Item(
        kind, name, DATASETS[kind], bytes_, sha256.strip("-"), images, SOURCES[source], about
    )


ALL_DATASETS = [_dataset(line) for line in _DATASETS.strip().splitlines()]
ALL_MODELS = [
    Item(
        kind,
        name,
        MODELS[kind],
        int(mib * MIB),
        source="no terms of their own; the official code is BSD",
    )
    for kind, (mib, names) in _MODELS.items()
    for name in names.split()
]


def find(items: list[Item], name: str, kind: str | None) -> Item:
    """The item of that name; where several kinds have it and none is given, the first kind of ``items``.

    Raises:
        UsageError: there is none; says what comes near.
    """
    found = [item for item in items if item.name == name and kind in (None, item.kind)]
    if not found:
        kinds = [item.kind for item in items if item.name == name]
        near = get_close_matches(name, [item.name for item in items], 1)
        hint = (
            f"it is of --kind {kinds[0]}. "
            if kinds
            else f"did you mean {near[0]}? "
            if near
            else ""
        )
        raise UsageError(
            f"nothing{f' of --kind {kind}' if kind else ''} is named {name}; {hint}--list shows all names"
        )
    return found[0]


def _row(item: Item) -> tuple[str, ...]:
    size = f"{'' if item.sha256 else '~'}{item.size / MIB:.1f} MiB" if item.size else "not known"
    images = ", ".join(
        f"{split} {n}" for split, n in zip(SPLITS.get(item.kind, ()), item.counts, strict=False)
    )
    return item.name, item.kind, size, images or item.about or "-", item.source


def table(items: list[Item]) -> str:
    """All items, a line each."""
    rows = [("name", "kind", "size", "images", "source and terms"), *map(_row, items)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
