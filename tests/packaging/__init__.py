"""What a partner installs: the locks and the wheel."""
