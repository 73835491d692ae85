"""How large a contract's source may be, so that no source can exhaust a node or reach a limit of Python's."""

from __future__ import annotations

SOURCE_BYTES_MAX = 32 * 1024
"""The source text, in bytes."""
NAME_LENGTH_MAX = 40
"""A name in a contract, in characters."""
INTEGER_DIGITS_MAX = 77
"""Digits of an integer as written; 2^255 has 77."""
BRACKET_DEPTH_MAX = 24
"""Brackets within brackets."""
BLOCK_DEPTH_MAX = 12
"""Indented blocks within blocks, the class and the method included."""
LOOP_DEPTH_MAX = 6
"""Loops within loops."""
EXPRESSION_DEPTH_MAX = 32
"""Operations within operations of one expression."""
BRANCHES_MAX = 32
"""Branches of one `if`, `elif` and `else` included."""
PARAMETERS_MAX = 16
"""Parameters of a method, fields of an event, names in `by`."""
ORACLES_MAX = 64
"""Accounts that report one fact together."""
ARGUMENTS_MAX = 16
"""Arguments of one call."""
DISPLAY_ITEMS_MAX = 256
"""Items of a list or dict as written."""
DEFINITIONS_MAX = 256
"""Definitions in a module, and in a class."""
CALL_DEPTH_MAX = 8
"""Methods that call methods, the outermost included."""
