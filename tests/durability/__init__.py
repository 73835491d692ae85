"""What is promised is on disk, and damage is never mistaken for data."""
