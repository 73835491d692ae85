"""What an operator has: doctor, verify, why, metrics, alerts, runbooks, a graceful stop; with real nodes."""
