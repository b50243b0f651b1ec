"""Every limit of the decision model, with its unit. The wire models and the pages take them from here."""

from __future__ import annotations

from typing import Final

CONFIRMATION_LIFE_MS: Final = 5 * 60 * 1000
"""How long a confirmation can be answered, whatever window is asked for."""

ESCALATION_LIFE_MS: Final = 24 * 60 * 60 * 1000
"""How long an escalation can be answered, its approval used, or its rejection lasts."""

DAY_MS: Final = 24 * 60 * 60 * 1000
"""A day of `max_per_day`: a calendar day of UTC, as the receipt format counts days, too."""

LARGEST_INTEGER: Final = 2**53 - 1
"""Largest integer in rules, policies and costs: what every JSON reader keeps to the digit."""

MAX_CONDITIONS: Final = 10
"""Most conditions of one scope or action, over all three lists; also most conditions of one policy rule."""

MAX_CONDITION_VALUES: Final = 64
"""Most values that one condition compares with."""

MAX_FIELD_CHARACTERS: Final = 128
"""Longest name of a context field."""

MAX_VALUE_CHARACTERS: Final = 1024
"""Longest text that a condition compares with."""

MAX_PATTERN_CHARACTERS: Final = 256
"""Longest `resource_pattern`."""

MAX_INITIATORS: Final = 128
"""Most names in `allowed_initiators`."""

MAX_INITIATOR_CHARACTERS: Final = 128
"""Longest of them."""

MAX_POLICY_BYTES: Final = 64 * 1024
"""Longest policy definition, in bytes of its canonical form."""

MAX_POLICY_ACTIONS: Final = 32
"""Most actions of one policy."""

MAX_ACTION_CHARACTERS: Final = 64
"""Longest name of a policy's action."""

MAX_POLICY_FIELDS: Final = 64
"""Most declared fields of one action."""

MAX_POLICY_RULES: Final = 32
"""Most rules of one action."""

MAX_EXECUTABLE_OPERATIONS: Final = 100
"""Most executable operations of one action; they are kept, and nothing here executes them."""

MAX_EXPIRY_DAYS: Final = 3650
"""Longest `default_expiry_days`."""

MAX_CONTEXT_BYTES: Final = 4096
"""Longest context that a policy is evaluated over, in bytes of its canonical form."""

MAX_CANONICAL_DEPTH: Final = 32
"""Deepest nesting of what is written in canonical form."""

MAX_CANONICAL_NODES: Final = 50_000
"""Most values in it."""
