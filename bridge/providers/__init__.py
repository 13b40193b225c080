"""Providers: what to ask whom, and what the answer means.

A provider is a page of YAML. Everything that differs between providers is on the page;
the code here is the same for all of them.

    lookup     expressions that find a value in an answer
    page       the page: its keys, their defaults, what makes one invalid
    catalogue  the pages that come with the package, and an operator's changes to them
    request    page + task → the question to send
    answer     page + what came back → an `Observation`
      ├ body     bytes → JSON, and JSON that may travel
      ├ refusal  answers that do not speak of the task
      ├ failure  why a task failed
      ├ result   the files and details of one that succeeded
      └ times    instants, and how long a link is valid
"""
