"""Why an answer means what it means: the word that decided it, and what to do. Pure."""

from typing import Any

from bridge.model import Answer, Observation, PollOutcome
from bridge.providers.answer import task_of
from bridge.providers.body import parsed
from bridge.providers.lookup import first_word, word
from bridge.providers.page import Page

ADVICE = {
    PollOutcome.NOT_FOUND: "It knows no such task: check the id, and whether the key is of "
    "the account that made the task.",
    PollOutcome.FORBIDDEN: "The key may not see it: check its rights, and the account's "
    "balance.",
    PollOutcome.THROTTLED: "It is asked too often: try again later.",
    PollOutcome.TRANSIENT: "A fault of the provider's that may pass: try again.",
    PollOutcome.MISCONFIGURED: "It answers, but not as its page expects: check the base "
    "URL, and the page (`providers show`).",
    PollOutcome.ANSWER_TOO_LARGE: "A status should be small: check the base URL, and "
    "`request.path` of the page.",
    PollOutcome.UNREACHABLE: "Check the base URL, the network, and any proxy between.",
}
NO_KEY = "It wants a key: give --key, or set PROVIDER_API_KEY."
BAD_KEY = "It refuses the key: give another with --key, or mend `api_key`."
NEW_WORD = (
    "No word of this page, so that it counts as not ended. If it is an end, add it to "
    "`page.words` of the provider."
)


def deciding(page: Page, answer: Answer, task_id: str) -> tuple[str, str] | None:
    """The place in the answer and the word there that say how the task is, if any does.

    Follows `observe`, which has no use for the place.
    """
    body = parsed(answer.body)
    task, _ = task_of(page, body, task_id)
    for place in page.answer.status:
        said = word(place.find(task, body))
        if said is not None:
            return str(place), said
    return None


def reason(page: Page, answer: Answer, seen: Observation, task_id: str) -> dict[str, Any]:
    """`word` at `place` means `status`; or it was looked for in vain at `looked_at`."""
    found = deciding(page, answer, task_id) if seen.outcome.answered else None
    place, said = found or (None, None)
    return {
        "word": said,
        "place": place,
        "known": seen.word_known if found else None,
        "looked_at": [str(each) for each in page.answer.status],
    }


def because(page: Page, answer: Answer, seen: Observation, task_id: str) -> str:
    """The same on one line."""
    if answer.http_status is None:
        return f"no answer: {answer.failure}"
    told = reason(page, answer, seen, task_id)
    if told["word"] is not None:
        known = f"means {seen.status}" if told["known"] else "is no word of this page"
        return f'"{told["word"]}" at {told["place"]} {known}'
    body = parsed(answer.body)
    code = first_word(page.answer.refusal.code, body, body)
    at_fault = f"HTTP {answer.http_status}{f', code {code}' if code else ''}"
    if seen.outcome.answered or not 200 <= answer.http_status < 300:
        return at_fault
    return f"{at_fault}, and no status at {' or '.join(told['looked_at'])}"


def advice(seen: Observation, *, keyed: bool) -> str | None:
    """What to do about it; None if there is nothing to be done."""
    if seen.outcome is PollOutcome.AUTH:
        return BAD_KEY if keyed else NO_KEY
    if seen.outcome.answered and not seen.word_known:
        return NEW_WORD
    return ADVICE.get(seen.outcome)
