"""Real processes under faults: relays between nodes, long absences, keys without a journal."""
