"""A provider's answer without the key it was asked with. Pure.

Some providers repeat the key in their errors. What an answer says is stored, logged, shown
and sent on, and a configured key is secret even from the clients it works for.
"""

from dataclasses import replace
from urllib.parse import quote

from bridge.model import Answer

SHORTEST = 8  # characters; less is a placeholder, and may be part of any word
GONE = b"***"


def without_key(answer: Answer, key: str | None) -> Answer:
    """
    >>> answer = Answer(http_status=401, body=b'{"message": "wrong key: 6f1d/22aa"}')
    >>> without_key(answer, "6f1d/22aa").body
    b'{"message": "wrong key: ***"}'
    """
    if key is None or len(key) < SHORTEST:
        return answer
    body = answer.body
    for form in {key, key.replace("/", "\\/"), quote(key, safe="")}:
        body = body.replace(form.encode(), GONE)
    return answer if body is answer.body else replace(answer, body=body)
