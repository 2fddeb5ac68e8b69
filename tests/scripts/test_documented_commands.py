"""The commands of the documents run: on tiny networks and images, in the order of each page.

A block of code below the comment ``<!-- needs SOMETHING -->``, such as the internet, is not run.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, pictures

SMALL = "--load_size 36 --crop_size 32 --num_threads 0 --gpu_ids -1"
TINY = f"{SMALL} --netG resnet_6blocks --ngf 2 --ndf 2 --display_id 0 --max_dataset_size 4"
ADDED = {  # words after those of the page; of two values of an option, the last one counts
    "train.py": f"{TINY} --n_epochs 1 --n_epochs_decay 0",
    "test.py": "--num_threads 0 --gpu_ids -1 --num_test 1",
    "scripts/translate.py": "--gpu_ids -1 --num_test 1",
}
PAGES = ("use.md", "configuration.md")
BLOCK = re.compile(r"(<!-- needs [^>]*-->\n)?```(bash|python|json)\n(.*?)```", re.DOTALL)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield (language, code) of the blocks of a page that can be run here."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for needs, language, code in BLOCK.findall(text):
        if not needs:
            yield language, code


def with_tiny_options(code: str) -> str:
    """Return shell code whose commands train and translate little, and stop at an error."""
    lines = ["set -e"]
    for line in code.replace("\\\n", " ").splitlines():
        words = line.split()
        added = ADDED.get(words[1], "") if words[:1] == ["python"] else ""
        lines.append(f"{line} {added}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a checkout after some trainings, with the data that the pages name."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("train.py", "test.py", "scripts", "models", "data", "options", "util"):
        (folder / name).symlink_to(ROOT / name)
    for side in ("trainA", "trainB", "testA", "testB"):
        pictures(folder / "datasets/atlas" / side, [f"{i}.png" for i in range(12)])
    pictures(folder / "photos", ["a.jpg", "b.jpg"])
    pictures(folder / "frames", ["frame_00001.png", "frame_00002.png"])
    pictures(folder, ["horse.jpg"])
    shell(folder, "python train.py --dataroot datasets/atlas --name horse2zebra")
    trained = folder / "checkpoints/horse2zebra/latest_net_G_A.pth"
    (folder / "checkpoints/horse2zebra_pretrained").mkdir()
    weights = folder / "checkpoints/horse2zebra_pretrained/latest_net_G.pth"
    weights.write_bytes(trained.read_bytes())
    return folder


def shell(folder: Path, code: str) -> None:
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": paths, "OMP_NUM_THREADS": "1"}
    command = ["bash", "-c", with_tiny_options(code)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{code}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_tiny_options_are_added() -> None:
    code = "for x in 1; do\n    python train.py \\\n    --name $x\ndone\npython scripts/sheet.py"
    lines = with_tiny_options(code).splitlines()
    assert shlex.split(lines[2])[:4] == ["python", "train.py", "--name", "$x"]
    assert lines[2].endswith("--n_epochs_decay 0") and lines[4].strip() == "python scripts/sheet.py"


def test_pages_have_blocks() -> None:
    """Nothing is left out but what has a mark."""
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        marked = text.count("<!-- needs ")
        assert len(list(blocks(page))) + marked == text.count("```") // 2 and marked < 4


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_run(place: Path, page: str) -> None:
    for language, code in blocks(page):
        if language == "bash":
            shell(place, code)
        elif language == "json":
            (place / "base.json").write_text(code)
        else:
            sweep = code.replace('"train.py", *words', f'"train.py", *words, *"{TINY}".split()')
            sweep = sweep.replace(".split()]", '.split(), "--n_epochs=1", "--n_epochs_decay=0"]')
            (place / "code.py").write_text(
                f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{sweep}"
            )
            shell(place, "python code.py")
    if page == "use.md":
        for name in ("zebra.png", "zebra_512.png", "zebras/a.png", "zebra_frames/frame_00001.png"):
            assert (place / name).is_file()
    else:
        names = {path.name for path in (place / "checkpoints/sweep").iterdir()}
        assert {"lr_1e-4", "lr_1e-4_seed_2"} <= names and (place / "sweep.png").is_file()
