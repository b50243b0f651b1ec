"""Keeps the cards as they are meant in an app whose style sheet has rules for everything.

An app's own rules beat every default rule. So a card carries its rules a second time, as a style sheet of
its screen: there they are of equal rank, and more specific. Without it a host's `Static { display: none; }`
would hide what is asked.
"""

from __future__ import annotations

from typing import Final

_PLACED: Final = "display: block; visibility: visible; opacity: 1; offset: 0 0; margin: 0; outline: none;"
_PLAIN: Final = f"""{_PLACED} dock: none; width: 100%; min-width: 0; min-height: 0; max-height: 100%; border: none;
                    padding: 0; text-opacity: 1; text-align: left; content-align: left top; text-style: none;
                    color: $foreground;"""


def firm(screen: str, rules: str) -> str:
    """Return the style sheet of a screen, for its `CSS`.

    Args:
        screen: The name of its class. All it shows stands in one container with the id `card`.
        rules: Its own rules, which come last. They give every child of that container a height.
    """
    return f"""
    {screen} {{ layout: vertical; padding: 0; margin: 0; border: none; opacity: 1; visibility: visible; }}
    {screen} > #card {{ {_PLACED} dock: none; layout: vertical; min-width: 0; min-height: 0; overflow: hidden hidden; }}
    {screen} > #card > * {{ {_PLAIN} }}
    {screen} > #card > Writing {{ display: none; height: auto; }}
    {screen} > #card > Writing.-open {{ display: block; }}
    {screen} > #card > Writing > Static {{ {_PLAIN} height: auto; }}
    {rules}
    """


def firm_page(screen: str) -> str:
    """Return the style sheet of a page of text: a frame round its lines, a search line, and the keys below."""
    return f"""
    {screen} {{ layout: vertical; padding: 0; margin: 0; border: none; align: left top; }}
    {screen} > .frame {{ {_PLACED} dock: none; layout: vertical; width: 100%; height: 1fr; min-width: 0; }}
    {screen} > .frame > #page {{ {_PLAIN} height: 1fr; }}
    {screen} > KeyLine {{ {_PLAIN} height: 1; padding: 0 1; color: $text-muted; }}
    """
