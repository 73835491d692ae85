"""The second wall: contracts are executed in processes of their own, which can compute and nothing else.

The first wall is the contract language: checked, compiled by us, metered. Should it ever break, what broke it
finds itself in a process without keys, files, sockets or children, with bounded memory and processor time. It
reads the state by asking the node over a pipe, and tells it what the block, or the question, came to.
"""
