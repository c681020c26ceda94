"""REDCap's logic language: read it, look at it, evaluate it over whole columns, explain one row.

`parser` turns text into the frozen nodes of `tree`; `functions` is the table of what is understood;
`compile` turns a tree into polars expressions with three answers (true, false, not evaluated); `explain`
shows the values inside one row. What is not understood is refused by name and never counts as false.
"""
