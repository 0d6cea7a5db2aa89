"""The weather: services behind one interface, what is kept of their answers, the wording."""
