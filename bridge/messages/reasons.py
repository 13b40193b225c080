"""Why a task did not succeed, in words for people and in our closed list of codes. Pure.

Two ends are our own word and not the provider's: `timed_out` (no end was seen in time) and
`unreachable` (the provider's last word was that we cannot know).
"""

from dataclasses import replace

from bridge.model import ErrorCode, Observation, Outcome, PollOutcome, Status, TaskError

MESSAGE_MOST = 2000  # letters; a provider may put a whole stack trace, or a file, there

_UNSAID = {
    Outcome.FAILED: (
        ErrorCode.TASK_FAILED,
        "The task failed; the provider does not say why.",
    ),
    Outcome.CANCELLED: (
        ErrorCode.TASK_CANCELLED,
        "The task was cancelled at the provider.",
    ),
    Outcome.EXPIRED: (ErrorCode.TASK_EXPIRED, "The task expired at the provider."),
}

_UNREACHABLE = {
    PollOutcome.NOT_FOUND: TaskError(
        code=ErrorCode.TASK_NOT_FOUND,
        message="The provider does not know this task",
        hint=(
            "Check the task id, and that providers.{provider} has the base_url and the key "
            "with which the task was created. Providers forget tasks after some days."
        ),
    ),
    PollOutcome.AUTH: TaskError(
        code=ErrorCode.KEY_REFUSED,
        message="The provider refused the key",
        hint=(
            "Check providers.{provider}.api_key, or the provider_api_key of the request, "
            "then subscribe with another deadline or metadata: the same request finds this "
            "end for a day. The task itself may have succeeded."
        ),
    ),
    PollOutcome.FORBIDDEN: TaskError(
        code=ErrorCode.FORBIDDEN,
        message="The provider does not let this key read the task",
        hint=(
            "Use the key that created the task: providers.{provider}.api_key, or the "
            "provider_api_key of the request."
        ),
    ),
    PollOutcome.MISCONFIGURED: TaskError(
        code=ErrorCode.MISCONFIGURED,
        message="What the provider answers is not a task's status",
        hint=(
            "Check providers.{provider}.base_url and the params of the request; "
            "`poll-bridge providers try` shows the answer."
        ),
    ),
}


def reason(
    provider: str, outcome: Outcome, observation: Observation | None, status: Status | None
) -> TaskError:
    """Why a subscription ended in `outcome`, which is not success.

    `observation` is the last one, `status` the last word the provider had for the task.
    """
    if outcome in _UNSAID:
        code, message = _UNSAID[outcome]
        said = observation.error if observation else None
        error = said or TaskError(code=code, message=message)
    else:
        error = _ours(outcome, observation, status)
    hint = error.hint and error.hint.replace("{provider}", provider)
    return replace(error, message=_clipped(error.message), hint=hint)


def _ours(
    outcome: Outcome, observation: Observation | None, status: Status | None
) -> TaskError:
    last = observation.outcome if observation else None
    known = _UNREACHABLE.get(last) if last and outcome is Outcome.UNREACHABLE else None
    error = known or _timed_out(last, status)
    said = observation.detail if observation and not observation.outcome.answered else None
    code = observation.error.provider_code if observation and observation.error else None
    message = f"{error.message}: {said}" if said else f"{error.message}."
    return replace(error, message=message, provider_code=code)


def _timed_out(last: PollOutcome | None, status: Status | None) -> TaskError:
    if last is not None and last.answered and status is not None:
        message = f"The task was still {status} when the deadline had passed"
        hint = "It may end later: subscribe to it again, with a longer `deadline`."
    else:
        message = "The deadline passed without an answer about the task"
        hint = "The task itself may have succeeded: subscribe to it again."
    return TaskError(code=ErrorCode.TIMED_OUT, message=message, hint=hint)


def _clipped(message: str) -> str:
    return message if len(message) <= MESSAGE_MOST else message[: MESSAGE_MOST - 1] + "…"
