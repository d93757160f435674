"""HTML and SVG whose text is always escaped, because elements are built and not pasted."""

from __future__ import annotations

from html import escape
from typing import final


@final
class Markup(str):
    """Text that is HTML already; every other text is escaped when it becomes a child."""

    __slots__ = ()


def element(name: str, *children: str | None, **attributes: str | int | float | None) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        children: text, which is escaped, or elements; None is left out.
        attributes: values are escaped, None is left out; `class_` is `class`, `data_label` `data-label`.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given}>{together(*children)}</{name}>")


def together(*children: str | None) -> Markup:
    """Return children behind each other, text escaped."""
    return Markup(
        "".join(c if isinstance(c, Markup) else escape(c, quote=False) for c in children if c is not None)
    )
