"""A deterministic world for the ordering core: network, disks, clocks and executors that fail from a seed."""
