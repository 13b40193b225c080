"""How fast and how large poll-bridge is, beside a bare loop that does the same I/O.

    polls subscribes deliveries latency memory cpu      one program each, each with `--help`
    figures                                             several measurements → one table
    aside                                               things in processes of their own
    lean                                                servers and clients that cost little
    node                                                the bridge to be measured, and its work
    machine                                             what it is measured on

Everything runs on loopback. Neither side shares a process with what it talks to.
"""
