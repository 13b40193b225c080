"""The pages at /dashboard: the API's own lists, facts and actions, for people.

session     who has signed in: a signed cookie, and the token of each form
signing_in  how many wrong keys may be tried
words       times, spans, URLs as they are shown
charts      figures → SVG
files       style, script, icon
pages       a template → an answer, with the headers that keep it safe
reading     overview, lists, timelines, providers
acting      retry, stop, replay, test: each is the API's
paths       all of it, for the API's app

Templates and static files are served as they are: there is no build step, nothing comes
from another host, and each page works without a script.
"""

from bridge.dashboard.paths import pages

__all__ = ["pages"]
