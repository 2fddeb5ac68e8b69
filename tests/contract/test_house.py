"""The house rules hold for the sources, and each check finds a planted fault."""

from __future__ import annotations

import pytest

from scripts.maintenance import check_house

PLANTED = {
    "import upwards": (
        check_house.check_floors,
        {"util/a.py": "from models import b", "models/b.py": ""},
    ),
    "hidden in a function": (
        check_house.check_floors,
        {"data/a.py": "def f():\n    import scripts.b", "scripts/b.py": ""},
    ),
    "for type checkers only": (
        check_house.check_floors,
        {"options/a.py": "if TYPE_CHECKING:\n    from models.b import C", "models/b.py": ""},
    ),
    "circle": (
        check_house.check_floors,
        {
            "util/a.py": "from util import b",
            "util/b.py": "import util.c",
            "util/c.py": "import util.a",
        },
    ),
    "long file": (check_house.check_sizes, {"util/a.py": "x = 1\n" * 301}),
    "long function": (check_house.check_sizes, {"util/a.py": "def f():\n" + "    x = 1\n" * 51}),
    "riddle": (check_house.check_language, {"util/a.py": '"""Whether it rains."""\n'}),
    "relative clause": (check_house.check_language, {"util/a.py": "x = 1  # which is small\n"}),
    "idioms": (check_house.check_language, {"README.md": "It go" + "es on. It go" * 16}),
}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return check_house.sources()


@pytest.mark.parametrize("check", ["check_floors", "check_sizes", "check_language"])
def test_the_sources_keep_the_rules(texts: dict[str, str], check: str) -> None:
    assert getattr(check_house, check)(texts) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str) -> None:
    check, files = PLANTED[fault]
    assert check(files)


def test_downward_imports_pass() -> None:
    files = {
        "util/a.py": "",
        "models/b.py": "from util.a import x",
        "models/__init__.py": "import util.a",
    }
    assert check_house.check_floors(files) == []
