"""The collector: keeps every event that it acknowledged, and answers what they are worth."""
