"""The HTTP API: CONTRACT in, subscriptions and problem+json out.

protocol       bytes → requests, and what is none
app            routes and middleware, put together
deps           what the API needs of the rest of the program
  leaving        what a reload is about to take away
envelope       around every request: its id, its figures, what a crash looks like
resource       one path: its methods, who may call them, errors as answers
  auth           an API key → a `Caller`
  limits         how often, and how many at once
problem        the closed list of error codes, and RFC 9457
respond        JSON out
query          query strings and cursors in
body           request bodies in: JSON, or a `form`
  faults         what is wrong with a body, in words
models         what a body may hold
wishing        a body → a `Wish`: everything that needs the configuration to be judged
  credential     whose provider key it is
  target         where it calls back
subscribing    POST /subscribe and its kin
  admission      by the configuration of the moment in which it is written
  idempotency    Idempotency-Key, also of hooks and attempts by hand
  waiting        ?wait=30
subscriptions  reading and stopping them
deliveries     reading and retrying them
  replaying      many at once
  choosing       which of them
hooks          standing hooks
trying         tests of callbacks and hooks
  trials         one sample, and what came of it
accounts       providers and signing secrets, as a client has them
probes         /livez and /readyz
exposition     /metrics
describing     /openapi.json and /docs
  openapi        what they say
views          nouns → JSON
"""
