"""Official files in place of ours that train.py and test.py cannot do without."""

from __future__ import annotations

from pathlib import Path

import pytest

from util import replaced_files
from util.errors import UserError
from util.replaced_files import NEEDED, TESTING, require_own_files


def test_our_files_have_what_is_needed() -> None:
    require_own_files(training=True)


@pytest.mark.parametrize("name", NEEDED)
def test_one_line_names_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaced_files, "ROOT", tmp_path)
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("class Official:\n    pass\n")
    with pytest.raises(UserError, match=f"^{name} is not this project's: train.py needs"):
        require_own_files(training=True)
    if name in TESTING:
        with pytest.raises(UserError, match=f"^{name} is not this project's: test.py needs"):
            require_own_files(training=False)
    else:
        require_own_files(training=False)
