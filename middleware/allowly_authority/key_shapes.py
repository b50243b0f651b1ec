"""The shapes of the keys that services issue: how one begins, of what it is made, how long it is at least and at most.

Makers give their keys a prefix so that scanners find them. Whoever looks for keys in a text, on a screen, on a page or
in a log, takes the shapes from here and decides alone how much of a key it bounds. The page's own script repeats this
table in JavaScript (`web/page/assets/secrets.js`); both are held against the same vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KeyShape:
    """One maker's keys.

    Attributes:
        prefix: A pattern that begins with a literal, so that a search takes little time.
        characters: What stands behind it, as the inside of a character class; the syntax is the same in JavaScript.
        least: Fewest of these characters.
        most: Most of them that keys have, with room to spare; equal to `least` where every key has the same length.
        end: What must not follow, as a pattern.
    """

    prefix: str
    characters: str
    least: int
    most: int
    end: str = ""

    def pattern(self, *, bounded: bool) -> str:
        """Return the pattern of the whole key.

        Args:
            bounded: Whether it ends after `most` characters. What hides text from a reader should be bounded: behind
                a mask without an end, anything could hide. A log has no such reader and is better off without.
        """
        if self.least == self.most:
            times = str(self.least)
        else:
            times = f"{self.least},{self.most}" if bounded else f"{self.least},"
        return f"{self.prefix}[{self.characters}]{{{times}}}{self.end}"


KEY_SHAPES: Final = (
    KeyShape(r"sk[-_]", r"A-Za-z0-9_-", 16, 208),  # OpenAI, Anthropic, Stripe
    KeyShape(r"[pr]k_(?:live|test)_", r"A-Za-z0-9", 16, 200),  # Stripe
    KeyShape(r"whsec_", r"A-Za-z0-9+/=", 16, 200),
    KeyShape(r"allowly_[A-Za-z0-9]{1,20}_", r"A-Za-z0-9_-", 8, 200),
    KeyShape(r"gh[a-z]_", r"A-Za-z0-9", 16, 255),  # GitHub
    KeyShape(r"github_pat_", r"A-Za-z0-9_", 16, 255),
    KeyShape(r"glpat-", r"A-Za-z0-9_.-", 16, 200),  # GitLab
    KeyShape(r"xox[a-z]-", r"A-Za-z0-9-", 10, 200),  # Slack
    KeyShape(r"xapp-", r"A-Za-z0-9-", 10, 200),
    KeyShape(r"hooks\.slack\.com/services/", r"A-Za-z0-9/", 20, 100),
    KeyShape(r"(?:AKIA|ASIA|ABIA|ACCA)", r"A-Z0-9", 16, 16, end=r"(?![A-Z0-9])"),  # Amazon
    KeyShape(r"AIza", r"A-Za-z0-9_-", 35, 35),  # Google
    KeyShape(r"ya29\.", r"A-Za-z0-9_-", 20, 500),
    KeyShape(r"GOCSPX-", r"A-Za-z0-9_-", 20, 60),
    KeyShape(r"npm_", r"A-Za-z0-9", 30, 60),
    KeyShape(r"pypi-", r"A-Za-z0-9_-", 30, 300),
    KeyShape(r"hf_", r"A-Za-z0-9", 30, 60),  # Hugging Face
    KeyShape(r"dop_v1_", r"a-f0-9", 64, 64),  # DigitalOcean
    KeyShape(r"SG\.[A-Za-z0-9_-]{16,32}\.", r"A-Za-z0-9_-", 30, 64),  # SendGrid
    KeyShape(r"AGE-SECRET-KEY-1", r"A-Z0-9", 50, 60),
)
