"""The steps of the wizard: each shows its part of the draft, takes what was typed, and marks how far it is.

place.py: what every step works with. fields.py: reading a form whose errors are all shown at once.
"""
