"""What callers call a model, where the provider does not name it.

It is kept apart from providers' own names: it is the caller's, and told to nobody else.
"""

LABEL = "~"  # in front of it; `due_polls` writes it, too


def is_label(model: str) -> bool:
    return model.startswith(LABEL)
