"""The API, described: OpenAPI 3.1, made from the models that validate.

operation   one operation, and how it is written
calls       every operation there is; about: those that tell of the bridge itself
answers     models of what is answered
parameters  what the tables of query parameters say
refusals    error codes → responses
told        webhooks and callbacks
document    all of it
page        the document as HTML
"""

from bridge.api.openapi.document import document
from bridge.api.openapi.page import STYLE_HASH, page

__all__ = ["STYLE_HASH", "document", "page"]
