"""`quorate bench`: that it measures what it says, not how fast that is."""
