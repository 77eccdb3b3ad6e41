"""What an operator can ask for: one module for each command."""
