"""What the page about links is made of: strips, charts, the month's data, path tests in words.

strip.py    up and down over a day or a month, as shapes, and the outages in a list (pure)
charts.py   columns for the charts, and rows for the table beside them (pure)
spending.py the month's data and its forecasts as lines (pure)
testing.py  path tests: what is asked for, and each step in words
"""
