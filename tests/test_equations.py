"""The page of equations names things that exist: functions, tests, files; and it leaves out nothing public."""

import ast
import functools
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import emotional_ed.memory
import emotional_ed.nested
import emotional_ed.optim

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
GALLERY = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}
SECTIONS = (
    "Memories",
    "Continuum",
    "Self-modifying memory",
    "Learned step sizes",
    "Optimizers",
    "Levels and transfer",
    "Gallery",
    "Misprints",
)


def spans(text: str) -> list[str]:
    """What stands in backticks."""
    return sorted(set(re.findall(r"`([^`\n]+)`", text)))


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows below the headings, each with the number of columns of its heading."""
    found: list[list[str]] = []
    width = 0
    for line, following in zip(text.splitlines(), [*text.splitlines()[1:], ""], strict=True):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            width = 0
        elif following.startswith("| ---"):
            width = len(cells)
        elif not line.startswith("| ---"):
            assert len(cells) == width, line
            found.append(cells)
    return found


@functools.cache
def defined_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def public(module: ModuleType) -> list[str]:
    names = (
        name for name, thing in vars(module).items() if name[0] != "_" and not isinstance(thing, ModuleType)
    )
    return [f"{module.__name__}.{name}" for name in names]


NAMES = [span for span in spans(PAGE) if span.startswith("emotional_ed.")]
PATHS = [span for span in spans(PAGE + GALLERY) if span.split("/")[0] in FOLDERS and "/" in span]
PUBLIC = [*public(emotional_ed.memory), *public(emotional_ed.nested), *public(emotional_ed.optim)]


@pytest.mark.parametrize("name", NAMES)
def test_named_functions_and_classes_exist(name: str) -> None:
    pkgutil.resolve_name(name)


@pytest.mark.parametrize("link", PATHS)
def test_named_files_and_tests_exist(link: str) -> None:
    path, _, test = link.partition("::")
    assert (ROOT / path).is_file(), path
    assert ("::" in link) == path.startswith("tests/")
    if test:
        assert test.startswith("test_")
        assert test in defined_in(ROOT / path), link


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_is_on_the_page(name: str) -> None:
    assert name in NAMES


def test_every_row_has_its_rule_its_place_its_oracle_and_its_test() -> None:
    assert tuple(re.findall(r"^## (.+)$", PAGE, re.MULTILINE)) == SECTIONS
    assert len(rows(PAGE)) > 50
    for equation, *others, test in rows(PAGE):
        assert len(others) == 3, equation
        assert all(others), equation
        assert re.search(r"`(emotional_ed\.|examples/gallery/)", " ".join(others)), equation
        assert re.search(r"`tests/test_\w+\.py::test_", test), equation


def test_every_file_of_the_gallery_is_on_both_pages() -> None:
    files = sorted((ROOT / "examples" / "gallery").glob("*.py"))
    assert files
    for path in files:
        for page in (PAGE, GALLERY):
            assert f"`examples/gallery/{path.name}`" in page, path.name
