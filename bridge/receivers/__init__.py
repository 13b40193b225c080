"""What may be called, and what its answers mean. Pure.

callback       where a callback goes, or why it may not
callback_auth  how its receiver is to know us
retry          when to send again, and when to stop
known          what well-known receivers mean by an answer
hints          what a person can do about it
breaker        when a host is left alone
robots         how often a chat robot may be spoken to
"""
