"""Folders, links, mapping and wheel agree; nothing of ours is flat in site-packages."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINKED = ("agents", "analysis", "envs", "experiments")


def package_folders() -> set[str]:
    found = {"emotional_ed"}
    for top in ("emotional_ed", *LINKED):
        name = top if top == "emotional_ed" else f"emotional_ed.{top}"
        for init in (ROOT / top).rglob("__init__.py"):
            relative = init.parent.relative_to(ROOT / top)
            if not any((ROOT / top / parent).is_symlink() for parent in (relative, *relative.parents)):
                found.add(".".join([name, *relative.parts]))
    return found


def test_links_mapping_and_folders_agree() -> None:
    mapping = PROJECT["tool"]["setuptools"]["package-dir"]
    assert mapping == {"emotional_ed": "emotional_ed", **{f"emotional_ed.{name}": name for name in LINKED}}
    for name in LINKED:
        link = ROOT / "emotional_ed" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == package_folders()


def test_the_wheel_has_one_top_level_name_and_every_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"emotional_ed"}
    held = {name[:-3].replace("/", ".") for name in names if name.endswith(".py")}
    for package in package_folders():
        parts = package.split(".")
        folder = ROOT.joinpath(*(parts[1:] if parts[1:2] and parts[1] in LINKED else parts))
        for module in folder.glob("*.py"):
            assert f"{package}.{module.stem}" in held
    assert "emotional_ed/py.typed" in names


def test_torch_is_pinned_for_the_makefile_only() -> None:
    assert re.search(r"^torch==2\.13\.0$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert any(one.startswith("torch>=") for one in PROJECT["project"]["dependencies"])


def test_the_core_imports_torch_and_numpy_only() -> None:
    code = (
        "import sys, emotional_ed.memory, emotional_ed.nested, emotional_ed.affect;"
        "bad = {'gymnasium', 'stable_baselines3', 'scipy', 'matplotlib', 'tensorboard'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
)
def test_documents_link_to_files_that_exist(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if not target.startswith(("http", "mailto")):
            assert (path.parent / target).exists(), target


def test_the_table_of_ideas_names_files_that_exist() -> None:
    rows = re.findall(r"^\|.*\|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    paths = {path for row in rows for path in re.findall(r"`([\w/.]+\.py)`", row)}
    assert len(paths) >= 12
    for path in paths:
        assert (ROOT / path).is_file(), path


def test_no_module_hides_a_name_that_its_package_imports_when_asked() -> None:
    """Importing `package.name` sets `name` on the package, and a lazy name of the same spelling is gone."""
    for package in sorted(package_folders()):
        found = importlib.import_module(package)
        assert found.__file__ is not None
        inside = {one.name for one in pkgutil.iter_modules([str(Path(found.__file__).parent)])}
        named = set(getattr(found, "__all__", ())) & inside
        hidden = {name for name in named if not inspect.ismodule(getattr(found, name))}
        assert not hidden, f"{package}: {sorted(hidden)} are modules and names at once"
