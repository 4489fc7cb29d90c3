"""Brute-force readings of the design's text, written apart from the code that they judge: slow, plain, literal."""
