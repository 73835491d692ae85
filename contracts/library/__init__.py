"""The catalogue of ready-made contracts, written in the contract language."""
