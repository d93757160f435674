"""For the docs site: show "Example:" of a docstring as code, as "Examples:" is shown."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object


class ExampleSections(Extension):
    """Renames the section before it is parsed; the source stays as it is."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Look at one object of the package."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
