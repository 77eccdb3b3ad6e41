"""What survives between two runs: ids, secrets, journals, facts; and the one writer of private files."""
