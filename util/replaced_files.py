"""Files of this project that hold more than the official ones, so no fork's can replace them."""

from __future__ import annotations

from util.errors import UserError
from util.plugins import ROOT

# What train.py needs of each, in the words of the file; test.py needs those of TESTING
NEEDED = {
    "models/__init__.py": "def set_batch",
    "models/base_model.py": "def training_state",
    "data/__init__.py": "data.pipeline.loader",
    "util/visualizer.py": "def restore",
    "util/image_pool.py": "def pools_of",
}
TESTING = ("models/__init__.py", "models/base_model.py", "data/__init__.py", "util/image_pool.py")


def require_own_files(training: bool) -> None:
    """Raise UserError if an official file is in place of one that train.py or test.py needs."""
    for name in NEEDED if training else TESTING:
        file = ROOT / name
        if file.is_file() and NEEDED[name] not in file.read_text("utf-8", errors="replace"):
            program = "train.py" if training else "test.py"
            missing = NEEDED[name].removeprefix("def ")
            raise UserError(
                f"{name} is not this project's: {program} needs {missing} of it. Put our file back "
                "and your changes into classes of your own, or run your own train.py and test.py"
            )
