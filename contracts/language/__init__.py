"""The contract language: from an author's source text to code of ours.

    source --lexer, parser--> syntax --checker--> typed tree --generator--> Python text --compile()--> program

Nothing here depends on the Python that runs it: the lexer and the parser are our own, every message is,
and gas is counted on the typed tree. The language is a subset of Python in form and meaning, so that an
editor, mypy and pytest understand a contract; no token of the author's reaches the interpreter.
"""
