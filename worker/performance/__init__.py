"""Looking up how somebody is judged at work: who may see it, where it is kept, how it is shown."""
