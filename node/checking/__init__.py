"""Transactions are parsed, and their signatures checked, in processes of their own.

What that takes would keep the node's interpreter from everything else. Where there is little to check the
node does it itself.
"""
