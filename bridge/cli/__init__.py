"""The command line.

app            the commands, and the process's edge: errors → lines and an exit code
exits          the exit codes
options        options that several commands have
reading        what is given, looked at before a command begins
output         text and JSON out
streams        the process's own, closed ones too
progress       how far something is

serving        serve
simple         demo, version
health         health
checking       check
  findings     what it finds out
listening      listen
  receiving    webhooks as they arrive
  forwarding   one of them sent on
tailing        tail
  following    events as they happen
  wording      what is said of an event
webhooks       sign, verify
secret         secret new, show
subscribing    subscribe
subscriptions  list, show
  story        what became of one, as lines
deliveries     retry
callbacks      callbacks test
hooks          hooks list, add, remove, test
  calling        how a callback is called, as options
providers      providers list, show, try
  pages        pages as these show and use them
database       migrate, backup, rekey
  rekeying     a database → the newest key

configuration  which configuration a command works with
proving        which signing secrets
reaching       which running bridge, with which API key
trying         questions to a provider
  decided      why an answer means what it means
completing     words that a shell completes
files          SQLite files, from outside
reference      the tables of docs/cli.md

Modules named after commands import what is heavy only when the command runs.
"""
