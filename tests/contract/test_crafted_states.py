"""States that were written by hand: each wrong part is named before anything is restored."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ONE_EPOCH, TINY, Programs
from steps import build
from survival import resume

from models.training.state_check import check_state
from util.errors import UserError
from util.image_pool import ImagePool

pytest_plugins = ["survival"]
NAN, HUGE = float("nan"), 10**400


def adam(state: dict) -> dict:
    return state["model"]["optimizers"][0]


def put(*path: Any, value: Any) -> Callable[[dict], None]:
    """Return a function that sets a nested part of a state."""

    def change(state: dict) -> None:
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = value

    return change


def moment(name: str, value: Callable[[torch.Tensor], Any]) -> Callable[[dict], None]:
    def change(state: dict) -> None:
        moments = adam(state)["state"][0]
        moments[name] = value(moments[name])

    return change


def alias(state: dict) -> None:
    moments = adam(state)["state"]
    moments[0]["exp_avg"] = moments[0]["exp_avg_sq"]


def nest(state: dict) -> None:
    """Replace a weight by a tensor that has no shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls these tensors a prototype
        tensor = torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)])
    state["model"]["networks"]["G_A"]["model.1.weight"] = tensor


def overflow(state: dict) -> None:
    """Make a weight finite only as a number of 64 bits."""
    weights = state["model"]["networks"]["G_A"]
    weights["model.1.bias"] = weights["model.1.bias"].double() + 1e300


OPTIMIZER = ("model", "optimizers", 0)
GROUP = (*OPTIMIZER, "param_groups", 0)
POOL = ("model", "pools", "fake_A_pool")
CRAFTED = {
    # optimizers; a wrong shape of a moment crashed the process
    "exp_avg of parameter 0": moment("exp_avg", lambda m: m[:1]),
    "exp_avg_sq of parameter 0": moment("exp_avg_sq", lambda m: torch.zeros(())),
    "should be torch.float32": moment("exp_avg", lambda m: m.double()),
    "should be torch.float32, found torch.int64": moment("exp_avg", lambda m: m.long()),
    "shares memory": moment("exp_avg", lambda m: m[:1].expand_as(m)),
    "shares memory with": alias,
    "not a number": moment("exp_avg", lambda m: m.fill_(NAN)),
    "values that are infinite": moment("exp_avg_sq", lambda m: m / 0),
    "negative values": moment("exp_avg_sq", lambda m: m - 1),
    "should be a tensor": moment("exp_avg", lambda m: None),
    "should be a plain tensor": moment("exp_avg", lambda m: m.to("meta")),
    "step of parameter 0": moment("step", lambda m: torch.tensor([1.0, 2.0])),
    "step of parameter 0 it should": moment("step", lambda m: -1 * m),
    "exp_avg, exp_avg_sq, step": lambda state: adam(state)["state"][0].pop("exp_avg"),
    "moments for unknown": put(*OPTIMIZER, "state", 10**6, value={}),
    "an optimizer's moments[0]": put(*OPTIMIZER, "state", value={0: 3}),
    "other groups": put(*GROUP, "params", value=[0]),
    "betas": put(*GROUP, "betas", value=(0.5, 1.5)),
    "betas[1]": put(*GROUP, "betas", value=(0.5, "x")),
    "lr": put(*GROUP, "lr", value=NAN),
    "initial_lr": put(*GROUP, "initial_lr", value=-1.0),
    "eps is missing": lambda state: adam(state)["param_groups"][0].pop("eps"),
    "lr should be a setting": put(*GROUP, "lr", value=torch.tensor(0.1).to_sparse()),
    "tensors that are sparse": put(*GROUP, "x", value=torch.zeros(3).to_sparse()),
    "capturable": put(*GROUP, "capturable", value=True),
    "optimizers": put("model", "optimizers", value=[]),
    # networks
    "net G_B are missing": lambda state: state["model"]["networks"].pop("G_B"),
    "model.1.weight": put("model", "networks", "G_A", "model.1.weight", value=torch.zeros(4, 3)),
    "plain tensors": nest,
    "infinite or not a number": overflow,
    "named tensors": put("model", "networks", "G_A", value={3: 3}),
    # the position
    "position.epoch": put("position", "epoch", value=-1),
    "position is impossible": put("position", "epoch", value=0),
    "position.seen": put("position", "seen", value=1.5),
    "position.total": put("position", "total", value=HUGE),
    "position.elapsed": put("position", "elapsed", value=NAN),
    "position.elapsed should": put("position", "elapsed", value=1e299),
    "position.shown": put("position", "shown", value=3),
    "position.validated": put("position", "validated", value=[[1, 2.0]]),
    "position.validated[0]": put("position", "validated", value=[3]),
    "position.best": put("position", "best", value={"epoch": "x"}),
    "unknown part 'x'": put("position", "x", value=1),
    # image pools
    "no image pool 'netG_A'": put("model", "pools", value={"netG_A": []}),
    "fake_A_pool should hold images": put(*POOL, value=["x"]),
    "(1, C, H, W)": put(*POOL, value=[torch.zeros(3)]),
    "fake_A_pool should": put(*POOL, value=[torch.zeros(1, 1, 1, 1).expand(1, 3, 10**5, 10**5)]),
    "the images are damaged": put(*POOL, value=[torch.full((1, 3, 4, 4), NAN)]),
    "more than 50": put(*POOL, value=[torch.zeros(1, 3, 4, 4)] * 51),
    # logs, options and the rest
    "visualizer.log": put("visualizer", "log", value=-1),
    "visualizer.health.averages.x": put("visualizer", "health", "averages", "x", value=3),
    "visualizer.health.averages.x should be 2": put(
        "visualizer", "health", "averages", "x", value=[]
    ),
    "visualizer.the page.points": put("visualizer", "the page", "points", value=[["x"]]),
    "the page.points should have": put("visualizer", "the page", "points", value=[[1.0]]),
    "the page.panel.x": put("visualizer", "the page", "panel", "x", value=[]),
    "options": put("options", value="{"),
    "options: it has other content than expected (lr": put("options", value='{"lr": NaN}'),
    "skipped": put("skipped", value=None),
    "plateau_epoch": put("model", "plateau_epoch", value="x"),
    "ranks[0]": put("ranks", value=[3]),
    "schedulers": put("model", "schedulers", value=[{}]),
    "data.items": put("data", "items", value=3),
    "data.items should be 2": put("data", "items", value=[]),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, unaligned: Path) -> Programs:
    """A run x of a single epoch. Tests put its state back."""
    run = Programs(tmp_path_factory.mktemp("crafted"))
    run.train("--dataroot", unaligned, "--name", "x", *TINY, *ONE_EPOCH).ok()
    return run


def test_every_wrong_part_is_named(trained: Programs) -> None:
    path, model = trained.runs / "x" / "state.pth", build(*TINY, double=False)
    state = torch.load(path, weights_only=True)
    check_state(state, model, path)
    for words, change in CRAFTED.items():
        crafted = copy.deepcopy(state)
        change(crafted)
        with pytest.raises(UserError) as error:
            check_state(crafted, model, path)
        message = str(error.value)
        assert message.startswith(f"{path} ") and words in message and "\n" not in message


@pytest.mark.parametrize(
    "words", ["exp_avg of parameter 0", "betas", "position.seen", "(1, C, H, W)", "visualizer.log"]
)
def test_resume_is_refused(trained: Programs, words: str) -> None:
    """In one line, before any file changes."""
    folder = trained.runs / "x"
    whole = (folder / "state.pth").read_bytes()
    state = torch.load(folder / "state.pth", weights_only=True)
    CRAFTED[words](state)
    torch.save(state, folder / "state.pth")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    resume(trained, "--n_epochs", "2").refused(1, "state.pth", words)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {**after, folder / ".lock": b""} == {**before, folder / ".lock": b""}
    (folder / "state.pth").write_bytes(whole)


def test_pools_of_other_numbers() -> None:
    """An image of another precision is converted: --amp may change when a run is resumed."""
    pool = ImagePool(1)
    for _ in range(20):
        pool.images = [torch.zeros(1, 3, 4, 4, dtype=torch.float64)]
        assert pool.query(torch.ones(1, 3, 4, 4)).dtype == torch.float32


def test_pools_of_other_images(trained: Programs) -> None:
    """Images of another kind are found when the history shows them to a discriminator."""
    pool = ImagePool(1)
    for old, new in (((1, 2, 4, 4), (1, 3, 4, 4)), ((1, 3, 4, 4), (2, 3, 8, 8))):
        pool.images = [torch.zeros(old)]
        with pytest.raises(UserError, match="history"):
            for _ in range(20):
                pool.query(torch.zeros(new))


@pytest.mark.parametrize("content", [{"x": 3}, {"x": None}, 3, {3: torch.zeros(1)}])
def test_an_interrupted_save_of_a_crafted_state(trained: Programs, content: object) -> None:
    """Its weights are not written to files."""
    folder = trained.runs / "x"
    whole = (folder / "state.pth").read_bytes()
    torch.save({"number": "1", "model": {"networks": {"G_A": content}}}, folder / "state.pth")
    for names in (["latest"], ["x\0"], ["x/y"]):
        marker = json.dumps({"number": "1", "names": names})
        (folder / ".saving.json").write_text(marker)
        resume(trained).refused(1, ".saving.json")
    (folder / ".saving.json").unlink()
    (folder / "state.pth").write_bytes(whole)
