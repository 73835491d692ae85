"""Signed load on real nodes, measured: what `quorate bench` does.

`network` founds a consortium of any size on this machine and gives it a currency. `generator`, a process of
its own, posts signed transfers when they are due and notes how long each took. `usage` reads what nodes cost
the machine. `run` puts these together, `report` says it in words, JSON and a picture.
"""
