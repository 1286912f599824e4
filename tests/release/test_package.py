"""What a stranger installs: the wheel and the sdist are built, looked into, installed apart, and used."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

import convsight

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "CONVSIGHT_PAGE": "skip"}  # the studio page is taken as it is, or left out
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the wheel and the sdist, built by the declared backend without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory) -> Path:
    """The `bin` of a new environment that holds only the wheel; what it requires is borrowed from ours."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    own = Path(sysconfig.get_path("purelib", "venv", vars=paths))
    install = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    subprocess.run([*install, "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    # after the environment's own folder, and without the .pth files in it: our editable convsight stays out
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def ran(bare: Path, *words: str, cwd: Path) -> str:
    given = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(bare / words[0]), *words[1:]], cwd=cwd, env=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"convsight", f"convsight-{convsight.__version__}.dist-info"}
    for needed in (
        "py.typed",
        "report/page.css",
        "report/page.html.j2",
        "cli/parser.py",
        "methods/occlusion.py",
    ):
        assert f"convsight/{needed}" in names
    ours = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src" / "convsight").rglob("*.py")}
    assert ours <= set(names)
    assert not [name for name in names if "test" in Path(name).name and name.endswith(".py")]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_says_what_it_is_and_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as inside:
        text = inside.read(f"convsight-{convsight.__version__}.dist-info/METADATA").decode()
    about = Parser().parsestr(text)
    assert about["Version"] == PROJECT["version"] and about["Requires-Python"] == PROJECT["requires-python"]
    required = about.get_all("Requires-Dist") or []
    assert len([r for r in required if "extra ==" not in r]) == len(PROJECT["dependencies"])
    assert set(about.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])
    assert wheel.stat().st_size < 8_000_000  # 3.7 MB of it are the runtime of the page that computes


def test_the_sdist_holds_what_is_needed_to_build_and_test_it(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as inside:
        names = {name.split("/", 1)[1] for name in inside.getnames()}
    needed = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "src/convsight/py.typed",
    }
    assert needed <= names
    assert "tests/release/test_package.py" in names and "docs/conf.py" in names
    assert not [name for name in names if "/runs/" in name or name.startswith("docs/_build")]


def test_the_installed_command_says_its_version_and_what_is_there(bare, tmp_path):
    assert ran(bare, "convsight", "--version", cwd=tmp_path).strip() == f"convsight {convsight.__version__}"
    rows = {
        row["what"]: row["found"]
        for row in json.loads(ran(bare, "convsight", "doctor", "--json", cwd=tmp_path))
    }
    assert rows["convsight"] == convsight.__version__ and "torch" in rows and "CONVSIGHT_DATA" in rows


def test_the_installed_package_is_the_wheels_and_shows_a_picture(bare, tmp_path):
    where = ran(bare, "python", "-c", "import convsight; print(convsight.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(bare.parent)
    ran(bare, "convsight", "show", "pooling", "-o", "pooling.png", "--quiet", cwd=tmp_path)
    assert (tmp_path / "pooling.png").read_bytes().startswith(b"\x89PNG")


def test_the_version_is_the_same_everywhere():
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest is not None
    assert {convsight.__version__, PROJECT["version"], newest[1], str(cited["version"])} == {
        PROJECT["version"]
    }


def test_the_citation_file_has_what_the_format_asks_for():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)  # required by the 1.2.0 schema
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software" and cited["license"] == "MIT"
    assert all("name" in author or "family-names" in author for author in cited["authors"])
