"""What holds for every test."""

import os

from hypothesis import settings

# Property tests are bounded by examples, not by a clock that other work on the machine slows down.
# CI draws the same examples every time; a developer's runs explore.
settings.register_profile("developer", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
