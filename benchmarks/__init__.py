"""How fast and how large poll-bridge is, beside a bare loop that does the same I/O.

    polls subscribes deliveries
    latency memory cpu requests     one program each, each with `--help`
    program                         their flags, and how they print
    figures                         several measurements → one table
    meter                           how often something happens, and what it costs
    node                            the bridge to be measured, and its work
    asked                           a provider that counts, and clients that have it asked
    foreseen                        what the model says of the same tasks
    lean                            servers and clients that cost little
    aside                           things in processes of their own
    machine                         what it is measured on

Everything runs on loopback. Neither side shares a process with what it talks to.
"""
