"""The ids in a webhook: derived from the subscription's, never drawn.

So a crash, a lost fence or a restored backup repeats an id instead of inventing a second
one, and receivers that remember ids see each event once. Pure.
"""

import re

# The end is always number 0 and updates count from 1: a restored backup that sees more or
# fewer updates this time gives the end the id that it had before.
END = 0

_SUBSCRIPTION = re.compile(r"sub_([A-Za-z0-9]{1,64})")
_HOOK = re.compile(r"[a-z]{1,16}_([A-Za-z0-9]{1,64})")
_MESSAGE = re.compile(
    r"msg_([A-Za-z0-9]{1,64})_(0|[1-9][0-9]{0,8})(?:_([A-Za-z0-9]{1,64}))?"
)


def message_id(subscription_id: str, sequence: int, hook_id: str | None = None) -> str:
    """The `webhook-id`: one for each event and destination, the same for all attempts.

    Raises ValueError unless the ids are letters and digits after their prefix: a full stop
    would break the signature's form, and a "_" could make two ids equal.

    >>> message_id("sub_k3J9", 0), message_id("sub_k3J9", 2, "hook_x7")
    ('msg_k3J9_0', 'msg_k3J9_2_x7')
    """
    hook = "" if hook_id is None else "_" + _random(hook_id, _HOOK)
    return f"msg_{_random(subscription_id, _SUBSCRIPTION)}_{_counted(sequence)}{hook}"


def event_id(subscription_id: str, sequence: int) -> str:
    """Equal for all destinations of one event. Raises ValueError as `message_id` does."""
    return f"evt_{_random(subscription_id, _SUBSCRIPTION)}_{_counted(sequence)}"


def parse_message_id(text: str) -> tuple[str, int, str | None] | None:
    """Subscription id, sequence and the hook's random part; None: not an id of ours.

    >>> parse_message_id("msg_k3J9_2_x7")
    ('sub_k3J9', 2, 'x7')
    """
    match = _MESSAGE.fullmatch(text)
    return (f"sub_{match[1]}", int(match[2]), match[3]) if match else None


def _random(text: str, form: re.Pattern[str]) -> str:
    match = form.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an id of letters and digits after its prefix")
    return match[1]


def _counted(sequence: int) -> int:
    if sequence < END:
        raise ValueError(f"events are counted from {END}, not {sequence}")
    return sequence
