"""Due watches → what their providers say of them.

poller    claims what is due, asks, and writes down what the answers mean
asking    one question and its meaning; lists: one about many, where a provider has that
upstream  the request itself
awaited   answers this node waits for, which it must not ask for twice
pacing    when to ask next, from what was learned of kinds of task
kinds     which kinds are told apart; labels: what callers call a model
standing  how each provider fares; circuit: whether it is up
"""
