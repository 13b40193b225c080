"""JSON Schema of everything that is sent: each type of event in each format. Pure.

    event      what an event says, field by field, for those who receive it
    plain      a model of those → its schema, in words that every tool reads
    standard   the schema of one type of event, or of any of several
    level      … on one level: formats flat, form and query
    robots     the messages of chat robots
    published  the documents: which there are, and their text
    __main__   writes docs/schemas/

A schema lists the keys there are and forbids no others: version 1 grows.
"""

from bridge.schemas.published import KNOWN, document, schema

__all__ = ["KNOWN", "document", "schema"]
