"""What is told, before any format: the types and their JSON. Pure.

events   of tasks; reasons: why one did not succeed
notices  of the bridge itself, to its operator
ids      derived, so that no crash and no backup can change them
samples  made by the same builders
"""
