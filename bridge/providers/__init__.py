"""Providers: what to ask whom, and what the answer means.

A provider is a page of YAML. Everything that differs between providers is on the page; the
code here is the same for all of them.

    configured   an operator's settings → `Provider`s
    catalogue    the pages that come with the package (presets/), and changes to them
    reference    pages as tables, for the handbook
    redaction    what came back, without the key it was asked with
    answer       page + what came back → an `Observation`
      ├ refusal    answers that do not speak of the task
      ├ failure    why a task failed
      ├ result     the files and facts of one that succeeded
      ├ times      instants, and how long a link is valid
      └ body       bytes → JSON, and JSON that may travel
    request      page + task → the question to send
    page         the page: its keys, their defaults, what makes one invalid
      ├ question   its half about asking
      ├ reading    its half about the answer
      └ fields     the kinds of value on it
    lookup       expressions that find a value in an answer
"""
