"""The two themes of our own: quiet greys and one accent. The terminal's own colours are one choice away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from textual.color import Color
from textual.theme import Theme

DARK: Final = Theme(
    name="allowly-dark",
    primary="#7aa2c8",
    secondary="#8fb0cc",
    accent="#7fb4e0",
    warning="#e0b050",
    error="#e07a72",
    success="#86b886",
    foreground="#d6d9dd",
    background="#15181c",
    surface="#1a1e23",
    panel="#22272e",
    boost="#252b33",
    dark=True,
    variables={
        "border": "#39414b",
        "border-blurred": "#39414b",
        "block-cursor-blurred-background": "#252b33",
        "scrollbar": "#39414b",
        "scrollbar-hover": "#4a545f",
        "scrollbar-active": "#7fb4e0",
        "scrollbar-background": "#1a1e23",
        "scrollbar-background-hover": "#1a1e23",
        "scrollbar-background-active": "#1a1e23",
    },
)

LIGHT: Final = Theme(
    name="allowly-light",
    primary="#24609b",
    secondary="#3f6f9f",
    accent="#1f66ad",
    warning="#96610a",
    error="#b3362c",
    success="#37743a",
    foreground="#22262b",
    background="#fafafa",
    surface="#f3f4f5",
    panel="#e7e9ec",
    boost="#e3e7ec",
    dark=False,
    variables={
        "border": "#c3c8ce",
        "border-blurred": "#c3c8ce",
        "scrollbar": "#c3c8ce",
        "scrollbar-hover": "#aab1b9",
        "scrollbar-active": "#1f66ad",
        "scrollbar-background": "#f3f4f5",
        "scrollbar-background-hover": "#f3f4f5",
        "scrollbar-background-active": "#f3f4f5",
    },
)

WITHOUT_COLOURS: Final = "ansi-dark"
"""What is used where NO_COLOR is set: with the terminal's own colours, all of them can be left out."""

_QUIET: Final = 0.4
"""How far quiet text goes from the colour of text towards that of the background."""


def quiet(variables: Mapping[str, str]) -> str:
    """Return the colour of what matters least, still readable on the background.

    Args:
        variables: A theme's own, as Textual has made them.
    """
    text, ground = variables.get("foreground", ""), variables.get("background", "")
    if text.startswith("#") and ground.startswith("#"):
        return Color.parse(text).blend(Color.parse(ground), _QUIET).hex6
    return "ansi_bright_black"
