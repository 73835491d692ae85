"""Every decoder of bytes or text that come from outside a process, against inputs that nobody would send.

`decoders/` is the table: what is read, from which valid samples, and what it may raise. `harness` makes an
input from a seed, reads it and judges the outcome; `mutations` and `trees` are the ways to spoil a sample.
`test_fuzz.py` is the short form, `python -m tests.fuzz long` the long one. What failed once is kept in
`seeds.txt`.
"""
