"""A schema with every kind of field, as a server's framework writes it."""

from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from allowly_harness.forms.fields import Form
from allowly_harness.forms.reading import read_form


class Priority(StrEnum):
    LOW = "low"
    HIGH = "high"


class Address(BaseModel):
    street: str
    zip: str = Field(pattern=r"^\d{5}$")
    country: Literal["DE", "FR"] = "DE"


class Person(BaseModel):
    address: str
    name: str | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


class Node(BaseModel):
    value: int
    children: list["Node"] = []


class Invoice(BaseModel):
    customer: str = Field(description="Who pays.", min_length=1)
    amount: float = Field(gt=0)
    copies: int = 1
    paid: bool = False
    priority: Priority = Priority.LOW
    colours: list[Literal["red", "green"]] = []
    tags: list[str] = []
    scores: list[int] | None = None
    note: str | None = None
    address: Address | None = None
    sender: Person
    lines: list[Person] = []
    pet: Cat | Dog | None = None
    meta: dict[str, Any] = {}
    either: str | int = 1
    tree: Node | None = None
    pair: tuple[int, str] | None = None


@pytest.fixture
def schema() -> dict[str, Any]:
    return Invoice.model_json_schema()


@pytest.fixture
def form(schema) -> Form:
    return read_form(schema)
