"""What the bot can do as it is shipped: one module a skill, each with its `skill`."""
