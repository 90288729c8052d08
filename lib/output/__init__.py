"""What leaves: a table in; a picture, a number or a page out.

`report` is the output of one notebook, `figures` draws, `latex` prints numbers, `explorer` and
`panel` show single rows, and `verify` holds a rerun's tables to the committed ones.
"""
