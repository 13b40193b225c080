"""Providers and receivers that speak the real dialects, on loopback.

    script      what becomes of a task, by its age; the magic task ids
    dialects    that, as the body each provider would send
    refusals    the error answers of each provider
    answers     the whole answer: a good body, a refusal, or rubbish
    mount       one simulated provider: its tasks, its key, what it was asked
    provider    mounts behind an HTTP server
    reactions   how a simulated receiver answers, by its path
    receiver    an HTTP server that keeps and verifies the webhooks it gets
    demo        a whole bridge between the two, and a verdict on it

Used by the `sandbox` provider, `poll-bridge demo`, tests and benchmarks.
"""
