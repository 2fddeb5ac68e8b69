"""scripts/timelapse.py: films of a training, and the files it reads."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Programs
from PIL import Image

sys.path.insert(0, str(ROOT / "scripts"))
import timelapse

from util.errors import UserError
from util.pages.data_file import file_of, read_calls, read_panel

COLOURS = {"1": (250, 0, 0), "2": (0, 250, 0), "3": (0, 0, 250)}  # of fake_B, by epoch
FFMPEG = """#!/bin/sh
for last; do :; done  # the file to write is the last argument
wc -c > "$last"
echo "$@" >> "$last"
"""


def panel_event(epoch: int, images: Path, size: tuple[int, int]) -> str:
    """Paint the images of an epoch and return its line of data.js; real_A is that of epoch 1."""
    figures = []
    for label in ("real_A", "fake_B", "rec_A"):
        name = f"epoch{1 if label == 'real_A' else epoch:03d}_panel0_{label}.png"
        figures.append([label, f"images/{name}", *size])
        colour = COLOURS[str(epoch)] if label == "fake_B" else (99, 99, 99)
        Image.new("RGB", size, colour).save(images / name)
    rows = [["a.png", figures], ["b.png", figures]]
    return f'run("panel", {epoch}, {json.dumps(rows)})\n'


@pytest.fixture
def trained(run: Programs) -> Programs:
    """checkpoints/r with three epochs of 40x20 images in two rows."""
    web = run.runs / "r" / "web"
    (web / "images").mkdir(parents=True)
    lines = ['run("begin", {"epochs": 3})\n']
    lines += [panel_event(epoch, web / "images", (40, 20)) for epoch in (1, 2, 3)]
    (web / "data.js").write_text("".join(lines))
    return run


def film(run: Programs, name: str, *more: object) -> list[tuple[Image.Image, float]]:
    """Make a film and return its frames with the milliseconds that each stays."""
    run.call(timelapse.main, "timelapse.py", "r", "--output", name, *more).ok()
    with Image.open(run.folder / name) as image:
        frames = []
        for i in range(getattr(image, "n_frames", 1)):
            image.seek(i)
            image.load()
            frames.append((image.convert("RGB"), image.info.get("duration", 0)))
        return frames


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_a_film_has_a_frame_for_each_epoch(trained: Programs, ending: str) -> None:
    """Images of 20 pixels are enlarged by 7; titles above, the epoch below."""
    frames = film(trained, f"x.{ending}", "--fps", "5", "--hold", "1")
    assert [time for _, time in frames] == [200, 200, 1200]
    (frame, _), size = frames[0], (2 * 8 + 2 * 280 + 4, 2 * 8 + 2 * 18 + 2 * (140 + 4))
    assert frame.size == size
    for (frame, _), colour in zip(frames, COLOURS.values(), strict=True):
        for y in (60, 200):  # both rows
            difference = [a - b for a, b in zip(frame.getpixel((500, y)), colour, strict=True)]
            assert max(map(abs, difference)) < 12
            assert max(abs(level - 99) for level in frame.getpixel((100, y))) < 12
    ink = [frame.crop((0, size[1] - 26, *size)).convert("1").histogram()[0] for frame, _ in frames]
    assert ink[0] < ink[1] < ink[2], "the progress bar grows"


def test_rows_labels_and_frames_are_chosen(trained: Programs) -> None:
    more = ("--rows", "2", "--labels", "fake_B", "--size", "20", "--frames", "2")
    frames = film(trained, "x.gif", *more, "--titles", "a title that is too long")
    assert [frame.size for frame, _ in frames] == [(2 * 8 + 40, 2 * 8 + 2 * 18 + 24)] * 2
    assert frames[1][0].getpixel((30, 40))[2] > 240, "the last epoch is always shown"


def test_a_film_by_ffmpeg(trained: Programs, tmp_path: Path, monkeypatch) -> None:
    """The frames, of an even size, go to ffmpeg; the last one is repeated for --hold seconds."""
    (tmp_path / "ffmpeg").write_text(FFMPEG)
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    words = ("r", "--output", "x.mp4", "--size", "21", "--fps", "4", "--hold", "0.5")
    trained.call(timelapse.main, "timelapse.py", *words).ok()
    count, arguments = (trained.folder / "x.mp4").read_text().split("\n")[:2]
    width, height = map(int, arguments.split(" -s ")[1].split()[0].split("x"))
    assert width % 2 == height % 2 == 0 and int(count) == (3 + 2) * width * height * 3
    assert "-framerate 4" in arguments and "yuv420p" in arguments
    assert [path.name for path in trained.folder.iterdir() if "x.mp4" in path.name] == ["x.mp4"]
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")
    trained.call(timelapse.main, "timelapse.py", *words).refused(1, "x.mp4: no such codec")
    monkeypatch.setenv("PATH", "")
    trained.call(timelapse.main, "timelapse.py", *words).refused(1, "ffmpeg", "not in PATH")


def test_epochs_without_their_images_are_left_out(trained: Programs) -> None:
    (trained.runs / "r/web/images/epoch002_panel0_fake_B.png").unlink()
    result = trained.call(timelapse.main, "timelapse.py", "r", "--output", "x.gif").ok()
    assert "1 epoch of 3 left out" in result.out and "2 epochs, " in result.out


@pytest.mark.parametrize(
    ("words", "status", "parts"),
    [
        ("x --output x.gif", 1, ['RUN: no run "x" in checkpoints', "there are"]),
        ("r --output x.avi", 2, [".gif, .webp or .mp4"]),
        ("r --output x.gif --rows 1 3", 1, ["--rows 3: the page has 2 rows"]),
        ("r --output x.gif --labels idt_A", 1, ["--labels idt_A", "real_A, fake_B, rec_A"]),
        ("r --output x.gif --titles a", 2, ["--titles: 1 for 2 columns (real_A, fake_B)"]),
    ],
)
def test_refusals(trained: Programs, words: str, status: int, parts: list[str]) -> None:
    (trained.runs / "r" / "train_opt.txt").touch()
    trained.call(timelapse.main, "timelapse.py", *words.split()).refused(status, *parts)


def test_a_film_that_is_too_large(trained: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timelapse, "MAX_PIXELS", 10**6)
    words = ("r", "--output", "x.gif", "--size", "400")
    trained.call(timelapse.main, "timelapse.py", *words).refused(1, "--size", "million pixels")


def test_a_run_without_a_panel(trained: Programs) -> None:
    web = trained.runs / "r" / "web"
    (web / "data.js").write_text('run("begin", {})\n')
    trained.call(timelapse.main, "timelapse.py", "r", "--output", "x.gif").refused(1, "panel_size")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('run("panel", 1, [])\nalert(document)\n', "line 2 is no call"),
        ('run("panel", 1, [])\nrun("text"\nrun("end")\n', "line 2 is no call"),
        ("run('x')\n", "line 1 is no call"),
        ("<html>\n", "line 1 is no call"),
        ('run("panel", "x", [])\n', "epoch should be int"),
        (f'run("panel", {"9" * 400}, [])\n', "epoch should be from 0"),
        ('run("panel", 1)\n', "rows should be a list"),
        ('run("panel", 1, [["a.png"]])\n', "rows[0] should have 2 parts"),
        ('run("panel", 1, [["a.png", [["real_A"]]]])\n', "a label and a URL"),
        ('run("panel", 1, [["a.png", [["real_A", 3]]]])\n', "should be str"),
    ],
)
def test_damaged_data_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "data.js").write_text(text)
    with pytest.raises(UserError, match="data.js") as error:
        read_panel(tmp_path)
    assert problem in str(error.value)


def test_a_last_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "data.js").write_text('show({"a": NaN,\n"b": 2})\nrun("keys", ["D"])\nrun("po')
    calls = read_calls(tmp_path / "data.js")
    assert [call.function for call in calls] == ["show", "run"]
    assert calls[0].values[0]["b"] == 2 and calls[1].values == ["keys", ["D"]]


def test_only_files_of_the_page_are_read(tmp_path: Path) -> None:
    page = tmp_path / "web"
    (page / "images").mkdir(parents=True)
    (page / "images" / "a b.png").touch()
    (tmp_path / "secret").touch()
    (page / "images" / "link.png").symlink_to(tmp_path / "secret")
    assert file_of("images/a%20b.png", page) == page / "images" / "a b.png"
    for url in ("../secret", "images/link.png", f"{tmp_path}/secret", "images", "images/%00", ""):
        assert file_of(url, page) is None, url
    assert file_of("images/" + "x" * 5000, page) is None
