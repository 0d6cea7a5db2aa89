"""The skills that the bot is shipped with: a module or package each, with its `skill`."""
