"""Providers and receivers that speak the real dialects, on loopback.

    script      what becomes of a task, by its age; the magic task ids
    words       the dialects, and the status words of each
    dialects    a task as the body each provider would send (newapi: the gateways' share)
    refusals    the error answers of each provider
    answers     the whole answer: a good body, a refusal, or rubbish
    content     the bytes of results
    routes      which question a path puts
    mount       one simulated provider: its tasks, its key, what it was asked
    provider    mounts behind an HTTP server
    reactions   how a simulated receiver answers, by its path
    proof       whether a webhook is proven, by somebody else's verifier if there is one
    receiver    an HTTP server that keeps and verifies the webhooks it gets
    robots      chat robots: proof, keyword, size and rate, as their services have them
    chats       these behind an HTTP server
    demo        a whole bridge between the two, and a verdict on it

Used by the `sandbox` provider, `poll-bridge demo`, tests and benchmarks.
"""
