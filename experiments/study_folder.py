"""A study as a folder: whose it is, and who is at it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import emotional_ed
from emotional_ed.experiments.lock import FileLock
from emotional_ed.experiments.run_folder import as_json, check_folder, provenance, write_json

_OURS = (".locks", "study.log")
_OF_THE_CALL = ("versions", "revision", "command", "settings")


@final
class StudyFolder:
    """The folder of one study, new or begun earlier.

    Args:
        path: a folder that is new, empty, or holds this very study.
        study: the study as plain data.

    Raises:
        ValueError: it holds anything else, another version wrote it, or it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], study: Mapping[str, Any]) -> None:
        self.study = as_json({**study, "given_settings": study["settings"]})
        self.provenance = provenance()
        self.notes: list[str] = []
        """What a person should know."""
        file = Path(path) / "study.json"
        if not file.is_file():
            check_folder(path, ignored=_OURS)
        self.path = Path(path)
        try:
            with self._locked():
                self._begin_or_go_on(file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ValueError(f"out: got {str(self.path)!r}, expected a writable folder ({reason})") from None

    def _locked(self) -> FileLock:
        lock = FileLock(self.lock_of("study"))
        lock.take(wait=True)
        return lock

    def lock_of(self, name: str) -> Path:
        """Return the lock of a job."""
        return self.path / ".locks" / f"{name.replace('/', '--')}.lock"

    def _begin_or_go_on(self, file: Path) -> None:
        if file.is_file():
            try:
                found = json.loads(file.read_text())
                self._compare(found)
                return
            except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
                aside = file.with_name("study.json.damaged")
                file.rename(aside)
                self.notes.append(f"study.json is damaged ({error}); it is kept as {aside.name}")
        write_json(file, {**self.study, **self.provenance})

    def _compare(self, found: Mapping[str, Any]) -> None:
        wrote = (found.get("versions") or {}).get("emotional_ed")
        if wrote != emotional_ed.__version__:
            raise ValueError(
                f"out: got {str(self.path)!r}, which version {wrote} of emotional_ed began and this is "
                f"{emotional_ed.__version__}, expected a study of the same version or a new folder (report "
                "still reads its finished runs)"
            )
        mine = {key: value for key, value in self.study.items() if key not in _OF_THE_CALL}
        theirs = {key: value for key, value in found.items() if key not in _OF_THE_CALL}
        if isinstance(theirs.get("tuning"), dict):
            theirs["tuning"] = {key: value for key, value in theirs["tuning"].items() if key != "arms"}
        if mine != theirs:
            path, there, here = first_difference(theirs, mine)
            raise ValueError(
                f"out: got {str(self.path)!r}, which already holds another study ({path} is {short(there)} "
                f"there and {short(here)} here), expected the same one or a new folder"
            )

    def write_tuning(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what a search found for each arm into `study.json`."""
        settings = {
            arm: {**self.study["given_settings"].get(arm, {}), **one["setting"]} for arm, one in found.items()
        }
        tuning = {**self.study["tuning"], "arms": found}
        with self._locked():
            write_json(
                self.path / "study.json",
                {**self.study, "settings": settings, "tuning": tuning, **self.provenance},
            )


def first_difference(one: Any, other: Any, path: str = "") -> tuple[str, Any, Any]:
    """Return where two unequal pieces of plain data differ first, and what each has there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in (*one, *(key for key in other if key not in one)):
            if key not in one or key not in other or one[key] != other[key]:
                return first_difference(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))
    return path, one, other


def short(value: Any) -> str:
    """Return plain data as text that fits into a sentence."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
