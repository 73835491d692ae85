"""Seeds, crash points and planted bugs for the simulator, and the command that runs them."""
