"""All of them, one after the other, in their short forms: one table."""

from benchmarks import cpu, deliveries, fairness, latency, memory, polls, subscribes
from benchmarks.program import run

run(
    *(
        one.PROGRAM
        for one in (polls, subscribes, deliveries, latency, fairness, memory, cpu)
    )
)
