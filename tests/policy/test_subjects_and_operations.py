"""Who calls and what is asked for: the values that routes, policies and limits look at."""

import pytest

from allowly_middleware.pipeline import ANONYMOUS, CallFacts, Operation, Subject


def test_nobody_in_particular_is_in_no_group_and_not_authenticated() -> None:
    assert not ANONYMOUS.has_group("support")
    assert not ANONYMOUS.authenticated
    assert Subject(None) == ANONYMOUS
    assert CallFacts(Operation.OTHER, "mail").subject is ANONYMOUS


def test_a_subject_is_in_the_groups_that_the_server_knows_of() -> None:
    subject = Subject("ada", frozenset({"support"}))

    assert subject.has_group("support")
    assert not subject.has_group("Support")
    assert subject.authenticated


@pytest.mark.parametrize("subject", [{"id": None}, {"id": "ada", "authenticated": False}])
def test_groups_that_nothing_proves_are_refused(subject: dict) -> None:
    with pytest.raises(ValueError, match="has no groups"):
        Subject(**subject, groups=frozenset({"admin"}))


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_an_id_is_never_blank(blank: str) -> None:
    with pytest.raises(ValueError, match="must not be blank"):
        Subject(blank)


def test_one_text_is_not_taken_for_the_groups_of_its_letters() -> None:
    with pytest.raises(TypeError, match="not one text"):
        Subject("ada", "admin")


def test_what_a_subject_was_made_of_can_change_without_changing_it() -> None:
    groups, metadata = {"support"}, {"plan": "free"}
    subject = Subject("ada", groups, metadata)

    groups.add("admin")
    metadata["plan"] = "pro"

    assert subject.metadata["plan"] == "free"
    assert not subject.has_group("admin")
    with pytest.raises(TypeError):
        subject.metadata["plan"] = "pro"
    assert isinstance(hash(subject), int)


@pytest.mark.parametrize(
    ("method", "operation"),
    [
        ("tools/call", "tool:call"),
        ("resources/templates/list", "resource-templates:list"),
        ("server/discover", "session:start"),
        ("ping", "other"),
        ("Tools/call", "other"),
        ("", "other"),
    ],
)
def test_a_method_is_an_operation(method: str, operation: str) -> None:
    assert Operation.of_method(method) is Operation(operation)


def test_lists_are_the_operations_that_are_filtered_by_item() -> None:
    assert {str(operation) for operation in Operation if operation.is_list} == {
        "tools:list",
        "resources:list",
        "resource-templates:list",
        "prompts:list",
    }
