"""The state tree, proofs, and the verifier that needs nothing of ours."""
