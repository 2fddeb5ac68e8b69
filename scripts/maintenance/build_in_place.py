"""The build backend of pyproject.toml: installs this folder in place, and makes no wheels.

``pip install -e .`` and ``uv sync`` make the packages here importable from other folders. A wheel
would put top-level names that are too common (models, data, ...) among other projects' packages.
"""

from __future__ import annotations

from typing import NoReturn

from setuptools.build_meta import (  # noqa: F401  hooks that pip and uv call
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
)

REFUSAL = (
    "CycleGAN is used in its own folder, because names such as models and data are too common for "
    "an installed package: pip install -e ."
)


def refuse(*arguments: object, **settings: object) -> NoReturn:
    """End with one line. The name of every hook that prepares or makes a wheel or an archive."""
    raise SystemExit(REFUSAL)


get_requires_for_build_wheel = build_wheel = refuse
get_requires_for_build_sdist = build_sdist = refuse
