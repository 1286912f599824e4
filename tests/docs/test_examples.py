"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import convsight

MODULES = sorted(
    m.name for m in pkgutil.walk_packages(convsight.__path__, "convsight.") if not m.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    if not hasattr(
        module, "__file__"
    ):  # a function of the same name hides the module: convsight.datasets.locate
        module = importlib.sys.modules[name]
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_most_techniques_show_an_example() -> None:
    from convsight.methods import catalogue

    without = [name for name, entry in catalogue().items() if ">>>" not in (entry.method.__doc__ or "")]
    assert without == []
