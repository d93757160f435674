"""Pictures of the inner signals at the moment where they act, with the numbers they show, as one command."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType

import torch

from emotional_ed.analysis.panels import draw_panels
from emotional_ed.checks import require_int
from emotional_ed.experiments.arms import require_known
from emotional_ed.experiments.inner.anger import anger
from emotional_ed.experiments.inner.deep_recall import deep_recall
from emotional_ed.experiments.inner.fear import fear
from emotional_ed.experiments.inner.goals import goals
from emotional_ed.experiments.inner.grief import grief
from emotional_ed.experiments.inner.others import others
from emotional_ed.experiments.inner.recall import recall
from emotional_ed.experiments.inner.record import Scope
from emotional_ed.experiments.inner.scene import Scene
from emotional_ed.experiments.inner.sleep import sleep
from emotional_ed.experiments.inner.weights import weights
from emotional_ed.experiments.pool import each
from emotional_ed.experiments.run_folder import provenance, write_json
from emotional_ed.experiments.telling import tell
from emotional_ed.files import write_atomically

SCENES: Mapping[str, Callable[[Scope], Scene]] = MappingProxyType(
    {
        "fear": fear,
        "anger": anger,
        "recall": recall,
        "goals": goals,
        "deep-recall": deep_recall,
        "grief": grief,
        "sleep": sleep,
        "weights": weights,
        "others": others,
    }
)
"""Name -> what makes the picture and its numbers."""
_ABOUT = """\
Each picture is made of {members} members with the seeds {first} to {last} (that of deep agents, which take
longer, of eight at most): lines are means over members,
first over the events of each, with a bootstrap 95 % interval over members; thin lines are a single member.
Step size 0.1 and exploration 0.05 unless said otherwise. Settings were fixed before these seeds were seen.
"""


def make_scenes(names: Sequence[str], out: Path, scope: Scope, jobs: int = 1) -> Path:
    """Make the pictures that are not there yet, `NAME.png` and `NAME.json`, and write `inner.md`.

    Raises:
        ValueError: a name is unknown, or the folder holds pictures of another scope.
    """
    require_int("jobs", jobs, 1)
    for name in names:
        require_known("only", name, SCENES)
    missing = [name for name in names if _held(out, name, scope) is None]
    for _ in each([partial(_make, name, out, scope) for name in missing], jobs):
        pass
    return write_inner(out, scope)


def _held(out: Path, name: str, scope: Scope) -> dict[str, object] | None:
    """Return what is held of a picture, or None if there is nothing yet."""
    path = out / f"{name}.json"
    if not path.is_file():
        return None
    held: dict[str, object] = json.loads(path.read_text())
    if held["scope"] != asdict(scope):
        raise ValueError(f"out: got {str(path)!r} of {held['scope']}, expected one of {asdict(scope)}")
    return held


def _make(name: str, out: Path, scope: Scope) -> None:
    """Live, draw and, last, write the numbers."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    scene = SCENES[name](scope)
    draw_panels(
        scene.panels, out / f"{name}.png", columns=scene.columns, title=scene.title, height=scene.height
    )
    facts = {"scope": asdict(scope), "numbers": dict(scene.numbers), "text": scene.text}
    write_json(out / f"{name}.json", {**facts, "title": scene.title, "settings": scene.settings})
    sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")


def write_inner(out: Path, scope: Scope) -> Path:
    """Write `inner.md` from the pictures that are there."""
    first, last = scope.first_seed, scope.first_seed + scope.members - 1
    parts = [_ABOUT.format(members=scope.members, first=first, last=last).strip()]
    for name in SCENES:
        held = _held(out, name, scope)
        if held is not None:
            parts += [f"## {held['title']}", f"![{held['title']}]({name}.png)", str(held["text"])]
            parts.append(f"Settings: {held['settings']}.")
    parts.append(f"Revision `{provenance()['revision']}`.")
    target = out / "inner.md"
    write_atomically(target, ("\n\n".join(parts) + "\n").encode())
    return target


def main(argv: Sequence[str] | None = None) -> int:
    """Make the pictures that are not there yet; return 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m emotional_ed.experiments.inner", description=__doc__)
    parser.add_argument("--out", default="runs/inner", help="folder; finished pictures in it are kept")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--members", type=int, default=Scope.members, help="seeds (default 48)")
    parser.add_argument("--first-seed", type=int, default=Scope.first_seed, help="the first (default 60000)")
    parser.add_argument("--only", nargs="*", default=[], help="pictures; all of them by default")
    arguments = parser.parse_args(argv)

    def work() -> str:
        scope = Scope(members=arguments.members, first_seed=arguments.first_seed)
        done = make_scenes(arguments.only or list(SCENES), Path(arguments.out), scope, arguments.jobs)
        return done.read_text()

    return tell("inner", work)


if __name__ == "__main__":
    sys.exit(main())
