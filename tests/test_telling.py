"""What a study's command says, and the status it ends with."""

from __future__ import annotations

import pytest

from emotional_ed.experiments.telling import tell


def test_what_was_found_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("study", lambda: "a table\n") == 0
    assert capsys.readouterr() == ("a table\n", "")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("jobs: got 0, expected >= 1"), 2, "study: jobs: got 0, expected >= 1\n"),
        (PermissionError(13, "Permission denied"), 2, "study: [Errno 13] Permission denied\n"),
        (KeyboardInterrupt(), 130, "study: interrupted; what was finished is saved\n"),
    ],
)
def test_what_went_wrong_is_one_sentence(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> str:
        raise error

    assert tell("study", work) == status
    assert capsys.readouterr() == ("", said)


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        tell("study", lambda: str(1 // 0))
