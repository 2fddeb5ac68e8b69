"""scripts/check_fork.py: the verdict on forks, with file and line, before anything of them runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Programs

from scripts import check_fork

MODEL = """
import torch
from util.image_pool import ImagePool
from .base_model import BaseModel
from . import networks


class MyModel(BaseModel):
    @staticmethod
    def modify_commandline_options(parser, is_train=True):
        parser.add_argument("--lambda_mine", type=float, default=1.0)
        return parser

    def __init__(self, opt):
        BaseModel.__init__(self, opt)
        self.netG = networks.define_G(
            3, 3, opt.ngf, opt.netG, norm=opt.norm, gpu_ids=self.gpu_ids
        )
        self.pool = ImagePool(opt.pool_size)
        self.weight = opt.lambda_mine

    def set_input(self, input):
        self.real = input["A"]

    def forward(self):
        self.fake = self.netG(self.real)

    def optimize_parameters(self):
        self.forward()
"""


def write(folder: Path, **files: str) -> Path:
    """Write Python files, and train.sh; ``__`` in a name is a slash."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path = folder / "train.sh" if name == "train_sh" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    return tmp_path / "fork"


def check(run: Programs, fork: Path, *words: str):
    return run.call(check_fork.main, "check_fork.py", str(fork), *words)


def lines(run: Programs, fork: Path) -> list[str]:
    """The problems that are found; the status is 1 if there are any."""
    result = check(run, fork)
    found = [line for line in result.out.splitlines() if ".py:" in line or ".sh:" in line]
    assert result.status == int(bool(found)), result.out + result.err
    return found


def test_a_model_that_works(run: Programs, fork: Path) -> None:
    write(fork, models__my_model=MODEL)
    result = check(run, fork).ok()
    assert "models/my_model.py" in result.out
    assert result.out.endswith("Everything works here\n")


def test_the_folder_of_models_alone(run: Programs, fork: Path) -> None:
    write(fork, models__my_model=MODEL)
    assert lines(run, fork / "models") == []
    write(fork, loose__my_model=MODEL)
    assert lines(run, fork / "loose") == []


def test_nothing_of_the_fork_runs(run: Programs, fork: Path) -> None:
    write(fork, models__my_model=f"raise SystemExit(9)\n{MODEL}", util__x="1 / 0")
    assert lines(run, fork) == []


def test_imports_and_calls(run: Programs, fork: Path) -> None:
    text = """
import numpy as np
import util.util as util
from PIL import Image
from models import networks, nothing
from models.networks import define_G as make, Wrong
from options.nowhere import Options
from util import html

net = make(3, 3, 64, 'resnet_9blocks', colour=1)
networks.define_Q(1)
networks.define_D(3)
page = html.HTML('a', 'b')
page.add_film('x')
page.add_images([], [])
image = util.tensor2im(net).astype(np.float)
Image.open('a').resize((1, 1), Image.ANTIALIAS)
"""
    found = lines(run, write(fork, infer=text))
    wanted = {
        5: "models.nothing is not there",
        6: "models.networks.Wrong is not there",
        7: "there is no module options.nowhere",
        10: "make() has no argument colour",
        11: "models.networks.define_Q is not there",
        12: "define_D() needs ndf, netD",
        14: "HTML.add_film is not there",
        15: "add_images() needs links",
        16: "numpy.float is not there any more since NumPy 1.24: use float",
        17: "PIL.Image.ANTIALIAS is not there any more since Pillow 10",
    }
    assert len(found) == len(wanted), "\n".join(found)
    for line, (number, words) in zip(found, wanted.items(), strict=True):
        assert line.startswith(f"infer.py:{number}: ") and words in line, line


def test_guarded_imports_and_names_of_the_fork(run: Programs, fork: Path) -> None:
    """An own module is found; an import that may fail is the fork's own affair."""
    text = """
try:
    from util import nothing
except ImportError:
    nothing = None
from models.own_nets import make
from .own_nets import *
"""
    write(fork, models__own_nets="def make(): pass", models__more=text)
    assert lines(run, fork) == []


def test_names_of_star_imports(run: Programs, fork: Path) -> None:
    """The official module's imports come with the star; an unknown name is found."""
    text = """
from models.networks import *
from util.util import *

class Net(nn.Module):
    def forward(self, x):
        return [tensor2im(y) for y in ResnetGenerator(3, 3)(torch.zeros(1)) if wrong(y)]
"""
    found = lines(run, write(fork, models__nets=text))
    assert len(found) == 1, found
    assert "models/nets.py:7: wrong is not defined: models.networks, util.util lack it" in found[0]


def test_options(run: Programs, fork: Path) -> None:
    model = MODEL.replace("opt.pool_size", "opt.poolsize + opt.fineSize + opt.crop_size")
    shell = """# python train.py --wrong
python train.py --dataroot x --batchSize 4 \\
    --netG wrong --lambda_mine 3
CUDA_VISIBLE_DEVICES=0 python test.py --num_test 5 --lamda_mine=2 --name $NAME
python other.py --wrong
"""
    write(fork, models__my_model=model, train_sh=shell)
    found = lines(run, fork)
    assert [line.split(": ")[0] for line in found] == [
        "models/my_model.py:19",
        "models/my_model.py:19",
        "train.sh:2",
        "train.sh:2",
        "train.sh:4",
    ]
    assert "opt.fineSize is of before 2019: use opt.crop_size" in found[0]
    assert "did you mean pool_size?" in found[1]
    assert "--batchSize is of before 2019: use --batch_size" in found[2]
    assert "--netG wrong: should be one of resnet_9blocks" in found[3]
    assert "--lamda_mine: unknown option; did you mean --lambda_mine?" in found[4]


def test_interface_before_2019(run: Programs, fork: Path) -> None:
    model = MODEL.replace("def __init__(self, opt)", "def initialize(self, opt)")
    model = model.replace("self.forward()", "self.save_network(self.netG, 'G', 1)")
    found = lines(run, write(fork, models__my_model=model))
    assert "models/my_model.py:14: initialize is the interface of before 2019" in found[0]
    assert "models/my_model.py:29: save_network is of before 2019" in found[1]


def test_changed_files_of_the_official_code(run: Programs, fork: Path) -> None:
    """Own options files take the place of ours; a base model does not: its methods are named."""
    base = "class BaseModel:\n    def paint(self):\n        pass\n"
    model = MODEL.replace("self.forward()", "self.paint()")
    options = "class BaseOptions:\n    def initialize(self, parser):\n"
    options += "        parser.add_argument('--shade')\n        return parser\n"
    write(fork, models__base_model=base, models__my_model=model, options__base_options=options)
    write(fork, train="from models import create_model\nprint(opt.shade)\n")
    result = check(run, fork)
    assert result.status == 1
    assert "models/base_model.py: changed in the fork (BaseModel.paint), and not used here" in (
        result.out
    )
    advice = "copy the method from the fork's models/base_model.py:2 into your own class"
    assert f"models/my_model.py:29: BaseModel.paint is not there: {advice}" in result.out
    own = result.out.split("in place of ours")[1]
    assert "options/base_options.py" in own and "train.py" in own


def test_values_that_own_code_names(run: Programs, fork: Path) -> None:
    """Official options take values that the fork's networks name, as train.py does."""
    text = "class ResnetGenerator:\n    pass\n\n\ndef define_G(netG):\n"
    text += "    return {'mine': 1, 'other': 2}[netG]\n"
    shell = "python train.py --netG mine\npython train.py --netG nine --save_by_iter\n"
    found = lines(run, write(fork, models__networks=text, train_sh=shell))
    assert len(found) == 1 and found[0].startswith("train.sh:2: --netG nine: should be one of")


def test_own_loader(run: Programs, fork: Path) -> None:
    """A fork's data/__init__.py serves the fork's own train.py and test.py, but not ours."""
    loader = "class CustomDatasetDataLoader:\n    def __init__(self):\n        pass\n"
    (write(fork, data__more="x = 1") / "data/__init__.py").write_text(loader)
    found = lines(run, fork)
    assert len(found) == 1 and "data/__init__.py: changed in the fork (Custom" in found[0]
    program = "from data import CustomDatasetDataLoader\nCustomDatasetDataLoader()\n"
    write(fork, train=program, test=program)
    assert lines(run, fork) == []


def test_files_that_cannot_be_read(run: Programs, fork: Path) -> None:
    write(fork, good="x = 1", old="def f():\n    print 'x'\n", bad="def f(:\n")
    (fork / "binary.py").write_bytes(b"a = '\xff'\n")
    (fork / "zero.py").write_bytes(b"a = 1\0\n")
    (fork / "coded.py").write_bytes(b"# -*- coding: klingon -*-\n")
    (fork / "gone.py").symlink_to(fork / "nowhere")
    found = check(run, fork).out
    assert "old.py:2: is Python 2. Convert it" in found
    assert "bad.py:1: no valid Python" in found
    for name in ("binary.py", "zero.py", "coded.py", "gone.py"):
        assert f"{name}: " in found or f"{name}:1: " in found, found
    assert "Traceback" not in found


def test_wrong_folders(run: Programs, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    check(run, tmp_path / "none").refused(1, "none: no such folder")
    check(run, tmp_path / "file").refused(1, "is a file, not a folder")
    check(run, tmp_path / "empty").refused(1, "has no Python files")
    run.call(check_fork.main, "check_fork.py").refused(2, "FOLDER")


def test_several_checkouts_in_one_folder(run: Programs, fork: Path) -> None:
    write(fork, one__models__my_model=MODEL, two__models__my_model=MODEL.replace("ngf", "nfg"))
    result = check(run, fork)
    assert result.status == 1
    assert "two/models/my_model.py:17: opt.nfg" in result.out
    assert "one/models/my_model.py:" not in result.out


def test_this_project_is_a_fork_that_works(run: Programs) -> None:
    from conftest import ROOT

    for folder in ("models", "data"):
        assert lines(run, ROOT / folder) == []


def test_only_files_that_cannot_be_read(run: Programs, fork: Path) -> None:
    found = lines(run, write(fork, old="print 'x'\n"))
    assert len(found) == 1 and "is Python 2" in found[0]
