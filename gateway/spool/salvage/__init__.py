"""What can be had from a journal that SQLite does not read any more, and from one that is gone.

records.py   PURE: one record of SQLite's file format, values in, values out
pages.py     PURE: one page of a b-tree: its cells, its children
wal.py       PURE: the frames of a WAL, which of them hold, and which were committed
source.py    pages by number, out of a database file and its WAL
shape.py     what a row of each of our tables looks like
rows.py      every row that can be read, the surest version of it first
adopt.py     object files and data sets that no row names
rebuild.py   a new journal from all that, checked against the bytes, and put in place

leaf     a page with rows; interior: one with the numbers of pages below it
orphan   a leaf that no readable tree leads to any more
layer    one set of pages, from the surest (committed) to what was before it
"""
