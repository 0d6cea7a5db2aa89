"""The commands for operators and authors."""
