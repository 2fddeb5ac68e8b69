"""Names, URLs, sizes and numbers of images of the downloads."""

from __future__ import annotations

import pytest
from conftest import ROOT

from util.download import catalogue
from util.errors import UsageError


def test_names_and_urls() -> None:
    """All names of the official scripts, at the official URLs; docs/datasets.md lists each."""
    sets = {(i.kind, i.name) for i in catalogue.ALL_DATASETS}
    names = (
        "ae_photos apple2orange summer2winter_yosemite horse2zebra monet2photo cezanne2photo "
        "ukiyoe2photo vangogh2photo maps facades iphone2dslr_flower mini mini_pix2pix "
        "mini_colorization grumpifycat"
    )
    assert sets == {("cyclegan", n) for n in names.split()} | {
        ("pix2pix", n) for n in ("night2day", "edges2handbags", "edges2shoes", "facades", "maps")
    }
    assert (
        len(catalogue.ALL_MODELS)
        == 18 + 5 + 16
        == len({(i.kind, i.name) for i in catalogue.ALL_MODELS})
    )
    host = "efrosgans.eecs.berkeley.edu"
    assert catalogue.find(catalogue.ALL_DATASETS, "maps", None).urls(["http://m/"]) == [
        "http://m/cyclegan/datasets/maps.zip",
        f"https://{host}/cyclegan/datasets/maps.zip",
        f"http://{host}/cyclegan/datasets/maps.zip",
        "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/maps.zip",
    ]
    assert (
        catalogue.find(catalogue.ALL_DATASETS, "maps", "pix2pix").urls([])[1]
        == f"http://{host}/pix2pix/datasets/maps.tar.gz"
    )
    model = catalogue.find(catalogue.ALL_MODELS, "sat2map", None)
    assert model.urls([])[1] == f"http://{host}/cyclegan/pretrained_models/sat2map.pth"
    assert catalogue.find(catalogue.ALL_MODELS, "monet2photo", "lua").urls([])[-1] == (
        "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/models/monet2photo.t7"
    )
    known = [i for i in catalogue.ALL_DATASETS if i.sha256]
    assert len(known) == 10 and all(len(i.sha256) == 64 and len(i.counts) == 4 for i in known)
    with pytest.raises(UsageError):
        catalogue.find(catalogue.ALL_DATASETS, "cityscapes", None)
    page = (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    assert not [
        i.name for i in catalogue.ALL_DATASETS + catalogue.ALL_MODELS if f"`{i.name}`" not in page
    ]


def test_the_table() -> None:
    """Rough numbers of images are shown but not verified."""
    shoes = catalogue.find(catalogue.ALL_DATASETS, "edges2shoes", None)
    assert shoes.counts == {} and "about 50,000 pairs" in catalogue.table([shoes])
    maps = catalogue.table([catalogue.find(catalogue.ALL_DATASETS, "maps", "pix2pix")])
    assert "~239.0 MiB" in maps and "train 1096" in maps and "Google Maps: its terms" in maps
