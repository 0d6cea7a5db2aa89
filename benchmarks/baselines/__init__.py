"""What people would use instead, each as its own documentation sets it up."""
