"""`dingda dashboard`: the bot's state in a browser, and what operators do about it."""
