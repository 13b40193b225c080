"""What well-known receivers mean by an answer, and what to do about it. Pure.

Known by words of the answer, or by the host: never by anything that could be a secret.
The first line that fits counts. `{method}` is the method that was used.
"""

import re
from dataclasses import dataclass

_ANY = re.compile("")
_MAKE = re.compile(r"hook\.([a-z0-9-]+\.)?(make|integromat)\.com")
_ZAPIER = re.compile(r"hooks\.zapier\.com")
_RETOOL = re.compile(r"([a-z0-9-]+\.)*retool\.com")
_IFTTT = re.compile(r"maker\.ifttt\.com")
_PIPEDREAM = re.compile(r"([a-z0-9-]+\.)*m\.pipedream\.net")
_LOGIC = re.compile(
    r"([a-z0-9-]+\.)*(logic\.azure\.com|api\.powerplatform\.com|powerautomate\.com)"
)
_AIRTABLE = re.compile(r"hooks\.airtable\.com")
_BUBBLE = re.compile(r"([a-z0-9-]+\.)*bubbleapps\.io")
_TELEGRAM = re.compile(r"api\.telegram\.org")


@dataclass(frozen=True, slots=True)
class Line:
    """`host` fits the whole host, `said` any part of the answer."""

    statuses: tuple[int, ...]
    text: str
    said: re.Pattern[str] = _ANY
    host: re.Pattern[str] | None = None


def _says(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


LINES = (
    Line(
        (404,),
        "The n8n node listens for another method: set its HTTP Method to {method}.",
        _says(r"is not registered for|waiting webhook with a matching path/method"),
    ),
    Line(
        (404,),
        "n8n does not listen there: publish the workflow and set its HTTP Method to "
        "{method}; a test URL listens for one call after “Execute workflow”.",
        _says(r"is not registered\."),
    ),
    Line(
        (404,),
        "n8n does not know this execution: it was deleted, or belongs to another n8n.",
        _says(r"execution\W{1,6}\w{1,40}\W{1,6}does not exist"),
    ),
    Line(
        (409,),
        "The n8n execution has not reached its Wait node yet: the bridge repeats this "
        "by itself, after a second or two.",
        _says(r"is running already"),
    ),
    Line(
        (409,),
        "The n8n execution has ended without this event: raise or switch off the Wait "
        "node's own time limit.",
        _says(r"has finished already"),
    ),
    Line(
        (409,),
        "The n8n execution has failed, so nothing waits for this event any more: look at "
        "it under Executions in n8n.",
        _says(r"has finished with error"),
    ),
    Line(
        (500,),
        "The workflow failed, and every retry runs it again: let the Webhook node "
        "respond “Immediately”.",
        _says(r"error in workflow"),
    ),
    Line(
        (400,),
        "Make's queue for this webhook is full: let its scenario run more often, or switch "
        "it on. The bridge tries again by itself.",
        _says(r"queue is full"),
    ),
    Line(
        (400,),
        "Make refuses the webhook: its queue is full, or the body is not what it expects; "
        "look at the webhook's queue and logs in Make.",
        host=_MAKE,
    ),
    Line(
        (401, 403),
        "Make wants an API key or another address: give the webhook's key as header "
        "x-make-apikey, or let our address in under its IP restrictions.",
        host=_MAKE,
    ),
    Line(
        (410,),
        "Make has no scenario for this webhook any more: switch the scenario on, then "
        "subscribe again or retry by hand.",
        host=_MAKE,
    ),
    Line(
        (410,),
        "Zapier has no Zap for this URL any more: it was switched off or deleted. A Zap "
        "that is switched on subscribes by itself, with a new URL.",
        host=_ZAPIER,
    ),
    Line(
        (413,),
        "The event is too large for Airtable, which takes about 100 KB: subscribe without "
        "`include_raw` and with less `metadata`.",
        host=_AIRTABLE,
    ),
    Line(
        (413,),
        "The event is too large for Pipedream, which takes 512 KB: subscribe without "
        "`include_raw` and with less `metadata`.",
        host=_PIPEDREAM,
    ),
    Line(
        (401, 403),
        "Retool wants its API key: give it as header X-Workflow-Api-Key, or as "
        "workflowApiKey in the query (`auth`).",
        host=_RETOOL,
    ),
    Line(
        (401, 403),
        "IFTTT does not know the key in the URL: copy the URL anew from the Webhooks "
        "service's documentation page.",
        host=_IFTTT,
    ),
    Line(
        (401, 403),
        "The signature in the URL is not accepted: copy the whole URL anew from the flow's "
        "trigger, with its sig=.",
        host=_LOGIC,
    ),
    Line(
        (400,),
        "The flow does not accept the body: give its trigger the JSON schema of the event, "
        "or none.",
        host=_LOGIC,
    ),
    Line(
        (400, 404),
        "Bubble does not know the workflow or its fields: publish the API workflow, and "
        "detect its data with a test sent to the same URL with /initialize at the end.",
        host=_BUBBLE,
    ),
    Line(
        (400,),
        "Telegram wants chat_id and text, which no `format` has: let a flow of n8n or Make "
        "stand between, with its own Telegram step.",
        host=_TELEGRAM,
    ),
    Line(
        (401, 404),
        "Telegram does not know the token in the URL: copy it anew from @BotFather.",
        host=_TELEGRAM,
    ),
)


def recognised(status: int | None, said: str, host: str) -> str | None:
    """The words for this answer of this host, if it is one that we know.

    >>> recognised(410, "", "hooks.zapier.com")[:28]
    'Zapier has no Zap for this U'
    """
    found = (
        line.text
        for line in LINES
        if status in line.statuses
        and line.said.search(said)
        and (line.host is None or line.host.fullmatch(host.lower()))
    )
    return next(found, None)
