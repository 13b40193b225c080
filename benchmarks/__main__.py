"""All of them, one after the other, in their short forms: one table."""

from benchmarks import (
    cpu,
    deliveries,
    fairness,
    latency,
    memory,
    polls,
    requests,
    subscribes,
)
from benchmarks.program import run

PROGRAMS = (polls, subscribes, deliveries, latency, fairness, memory, cpu, requests)

run(*(one.PROGRAM for one in PROGRAMS))
