"""What the files in integrations/ call is there to be called."""

import pytest

from tests.api.conftest import Api
from tests.integrations.files import NOT_THERE_YET, PATHS


async def allowed(api: Api, path: str) -> set[str]:
    """The methods that the API has for a path; none if it does not have the path."""
    answer = await api("OPTIONS", path.replace("{id}", "x"))
    return set(answer.headers.get("Allow", "").split(", ")) - {""}


@pytest.mark.parametrize(("method", "path"), sorted(PATHS))
async def test_each_call_is_one_of_the_api(api: Api, method: str, path: str) -> None:
    """
    A path that has moved leaves Zaps and scenarios that were switched on long ago broken.
    """
    methods = await allowed(api, path)
    if path in NOT_THERE_YET:
        assert methods == set(), f"{path} is there now: take it out of NOT_THERE_YET"
    else:
        assert method in methods


async def test_a_path_that_is_not_there_is_noticed(api: Api) -> None:
    """
    Otherwise the test above could not fail.
    """
    assert await allowed(api, "/hook") == set()
    assert "PATCH" not in await allowed(api, "/subscribe")
