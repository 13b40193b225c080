"""Whose provider key it is, and where the callback leads."""

from bridge.api.target import UNRESOLVED, vetted
from bridge.model import Destination
from bridge.net.guard import AddressForbidden, Egress
from bridge.net.resolver import DnsFailure, Resolver
from tests.api.conftest import CALLBACK, CONFIGURED_KEY, OPS, Api, Names
from tests.test_traces import GIVEN


async def test_a_provider_without_a_key_asks_for_one(api: Api) -> None:
    """Polling it could only end in 401, minutes after the caller has gone."""
    answer = await api.subscribe(provider="regional")
    assert (answer.status, answer.code) == (422, "provider_key_required")
    assert "regional" in answer.faults["provider_api_key"]


async def test_a_configured_key_is_for_those_it_is_granted_to(api: Api) -> None:
    """One client must not spend another's account."""
    answer = await api.subscribe(provider="ungranted")
    assert (answer.status, answer.code) == (403, "provider_not_granted")

    own = await api.subscribe(provider="ungranted", provider_api_key="my own key")
    assert own.status == 202
    guessed = await api.subscribe(
        provider="ungranted", provider_api_key="somebody-elses-key"
    )
    # Kept apart from the configured one: who guesses it learns nothing by it.
    assert guessed.status == 202
    assert len(await api.deps.store.credentials()) == 2


async def test_a_provider_that_takes_no_key_needs_no_grant(api: Api) -> None:
    """There is nothing to grant."""
    assert (await api.subscribe(provider="sandbox", key=OPS)).status == 202
    refused = await api.subscribe(provider="sandbox", provider_api_key="mine")
    assert "takes no key" in refused.faults["provider_api_key"]


async def test_the_configured_key_sent_as_ones_own_is_the_configured_one(api: Api) -> None:
    """So that both share one watch, and one limit at the provider."""
    first = await api.subscribe()
    second = await api.subscribe(provider_api_key=CONFIGURED_KEY)

    assert second.json["id"] == first.json["id"]
    assert len(await api.deps.store.credentials()) == 1


async def test_a_key_may_come_in_a_header(api: Api) -> None:
    """Header and body mean the same; two different keys are a mistake."""
    header = {"X-Provider-Api-Key": "my own key"}
    body = {"provider": "regional", "task_id": "t", "provider_api_key": "my own key"}
    first = await api("POST", "/subscribe", json=body)
    del body["provider_api_key"]
    second = await api("POST", "/subscribe", json=body, headers=header)
    both = await api(
        "POST", "/subscribe", json=body | {"provider_api_key": "x"}, headers=header
    )

    assert second.json["id"] == first.json["id"]
    assert "another key than in the header" in both.faults["provider_api_key"]


async def test_no_answer_ever_holds_a_key(api: Api) -> None:
    """Answers are logged by proxies and shown in no-code tools."""
    secret = "sk-live-very-secret"
    answers = [
        await api.subscribe(provider="regional", provider_api_key=secret),
        await api.subscribe(provider_api_key=secret + "\u00fc"),
        await api.subscribe(provider_api_key=[secret]),
        await api.subscribe(signing_secret=secret),
        await api.subscribe(headers={"X": secret + "\n"}),
        await api.subscribe(headers={"X": [secret]}),
    ]
    assert [answer.status for answer in answers] == [202, 422, 422, 422, 422, 422]
    assert not any(secret.encode() in answer.body for answer in answers)


async def test_a_callback_to_an_inside_address_is_refused_with_the_remedy(
    api: Api, names: Names
) -> None:
    """Better told now than found out by a webhook that never comes."""
    names.trouble = {
        "n8n": AddressForbidden("172.18.0.5"),
        "10.0.0.1": AddressForbidden("10.0.0.1"),
    }
    answer = await api.subscribe(callback_url="http://n8n:5678/webhook/x")
    literal = await api.subscribe(callback_url="http://10.0.0.1/")

    assert (answer.status, answer.code) == (422, "callback_address_forbidden")
    expected = "resolves to 172.18.0.5; add `n8n` to callbacks.allow_hosts"
    assert answer.faults == {"callback_url": expected}
    assert answer.json["detail"] == expected
    assert literal.faults["callback_url"].startswith("is an internal address")
    assert not (await api("GET", "/subscriptions")).json["items"]


async def test_a_name_that_does_not_resolve_is_a_warning(api: Api, names: Names) -> None:
    """DNS may be down for a minute; the webhook is due only when the task has ended."""
    names.trouble = {"app.example.com": DnsFailure("no such name")}
    answer = await api.subscribe()

    assert answer.status == 202
    assert [each["code"] for each in answer.json["warnings"]] == ["callback_unresolved"]


async def test_a_silent_nameserver_delays_nobody_for_long(names: Names) -> None:
    """The subscription is taken all the same; the delivery will look again."""
    names.silent = {"app.example.com"}
    destination = Destination(url=CALLBACK, host="app.example.com")
    assert await vetted(destination, names.vet, timeout_s=0.001) == [UNRESOLVED]


async def test_the_rules_are_those_that_hold_when_the_webhook_is_sent(api: Api) -> None:
    """A second opinion here would refuse what works, or take what cannot."""
    resolver = Resolver(now=api.clock.now)
    egress = Egress(
        resolver=resolver,
        allow_hosts=["127.0.0.2"],
        allow_networks=(),
        limit=1,
        user_agent="test",
    )
    async with egress, api.changed(vet=egress.vet) as strict:
        inside = await strict.subscribe(callback_url="http://[::ffff:127.0.0.1]/")
        listed = await strict.subscribe(callback_url="http://127.0.0.2/")
        public = await strict.subscribe(callback_url="https://93.184.216.34/")
    await resolver.close()

    assert inside.code == "callback_address_forbidden"
    assert (listed.status, public.status) == (202, 202)
    assert public.json["warnings"] == []


async def test_https_only_is_obeyed(api: Api) -> None:
    """The operator's rule, told to the caller."""
    callbacks = api.deps.config().callbacks.model_copy(update={"https_only": True})
    config = api.deps.config().model_copy(update={"callbacks": callbacks})
    async with api.changed(config=lambda: config) as strict:
        answer = await strict.subscribe(callback_url="http://app.example.com/")
    assert "https://" in answer.faults["callback_url"]


async def test_the_callers_trace_is_kept_and_shown_to_nobody(api: Api) -> None:
    """By both ways to subscribe; one that cannot be read is as if there were none."""
    kept = []
    for number, given in enumerate((GIVEN, "00-garbage", "")):
        headers = {"traceparent": given} if given else {}
        one = {"provider": "amux", "task_id": f"one-{number}"}
        first = await api("POST", "/subscribe", json=one, headers=headers)
        several = [one | {"task_id": f"of-several-{number}"}]
        second = await api("POST", "/subscribe/batch", json=several, headers=headers)
        assert (first.status, second.json[0]["status"]) == (202, 202)
        assert GIVEN.encode() not in first.body + second.body
        for view in (first.json, second.json[0]["subscription"]):
            seen = await api.deps.store.subscription(view["id"][4:], "shop")
            kept.append(seen and seen.trace)
    assert kept == [GIVEN, GIVEN, None, None, None, None]
