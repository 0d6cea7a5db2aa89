"""What every worker does besides answering."""
