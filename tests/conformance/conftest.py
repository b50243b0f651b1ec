"""What is expected of the SDKs, loaded from the file that `make conformance` uses."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def expectations() -> Iterator[ModuleType]:
    name = "conformance_expectations"
    spec = importlib.util.spec_from_file_location(name, HERE / "expectations.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]
