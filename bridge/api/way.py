"""How a callback is called: format, method, and what a chat robot wants to be told by."""

from dataclasses import replace

from bridge import formats
from bridge.api.models import SubscribeBody
from bridge.errors import FieldFault
from bridge.model import Destination, Robot

# What can be asked for by either method.
EITHER = ("standard", "flat")


def method_of(body: SubscribeBody) -> str:
    return "GET" if body.format == "query" else body.method


def format_of(body: SubscribeBody) -> str:
    """`query` is method GET by another name, so that the two are one request."""
    return "standard" if body.format == "query" else body.format


def with_robot(found: Destination | None, body: SubscribeBody) -> Destination | None:
    if found is None or body.format not in formats.ROBOTS:
        return found
    secret, keyword = body.robot.get("secret"), body.robot.get("keyword")
    return replace(found, robot=Robot(kind=body.format, secret=secret, keyword=keyword))


def way_faults(body: SubscribeBody) -> list[FieldFault]:
    """Fields that contradict one another."""
    faults: list[FieldFault] = []
    asked = "method" in body.model_fields_set and body.method
    if asked == "POST" and body.format == "query":
        words = "format `query` puts the facts into the URL: leave this out, or say GET"
        faults.append(FieldFault("method", words))
    if asked == "GET" and body.format not in (*EITHER, "query"):
        words = f"format `{body.format}` is a body: leave this out, or say POST"
        faults.append(FieldFault("method", words))
    if body.robot and body.format not in formats.SIGNING:
        knowing = " and ".join(formats.SIGNING)
        words = f"is for {knowing}; format `{body.format}` knows no secret and no keyword"
        faults.append(FieldFault("robot", words))
    return faults
