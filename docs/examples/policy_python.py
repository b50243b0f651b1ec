"""The policy of `policy_shop.toml`, in part, written in Python, and asked beforehand."""

from allowly_middleware.pipeline import ANONYMOUS, Subject
from allowly_middleware.policy import Policy, PolicySet, allow, confirm, deny, escalate

policies = PolicySet(
    [
        Policy(
            "shop",
            [
                allow("shop.list_*"),
                confirm("shop.refund", limit="10 per hour"),
                escalate("shop.refund", to="finance", when={"amount": {"greater_than": 500}}),
                deny("shop.drop_*", reason="Tables are dropped by the operators."),
            ],
            default="confirm",
        ),
        Policy("shop support", [allow("shop.note_*")], default=None, groups={"support"}),
    ]
)


def usable(names: list[str], subject: Subject = ANONYMOUS) -> list[str]:
    """Return the tools that a list would show: nothing is counted, and nobody is asked."""
    return [name for name in names if policies.can("shop", name, subject=subject)]
