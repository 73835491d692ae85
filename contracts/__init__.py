"""Execution: checks, compiles and runs contracts, the same on every node.

`from contracts import Contract, term, action, ...` gives an author the words of the contract language.
"""

from contracts.lang import *  # noqa: F403 - exactly the words of the language, its __all__
