"""Everything that checks quorate; not part of the wheel."""
