"""Requests and answers of the stand-in's API, apart from what they do."""

import json
from dataclasses import dataclass

from fc_devices import Refused
from fc_rules import Wrong

WITH_ID = {"drives": "drive_id", "network-interfaces": "iface_id"}
_LONGER = {"mmds/config", "snapshot/create", "snapshot/load"}


@dataclass
class Answer:
    """Status and JSON body of a response."""

    status: int
    body: bytes = b""


def fault(text: str, status: int = 400) -> Answer:
    return Answer(status, json.dumps({"fault_message": text}).encode())


def found(value: object) -> Answer:
    return Answer(200, json.dumps(value).encode())


DONE = Answer(204)


def resource_of(method: str, first: str, second: str) -> str:
    """The resource's name; a second path element belongs to it only where it is no id."""
    longer = f"{first}/{second}"
    return longer if method == "PUT" and longer in _LONGER else first


def check_id(name: str) -> None:
    if not name:
        raise Refused("The ID cannot be empty.")
    if not all(character == "_" or character.isalnum() for character in name):
        raise Refused("API Resource IDs can only contain alphanumeric characters and underscores.")


def as_json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"the body cannot be read: {error}") from error
