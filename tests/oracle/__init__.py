"""Brute-force readings of the rules, written apart from the code that they judge: slow, plain, literal."""
