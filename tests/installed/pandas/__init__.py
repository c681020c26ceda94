"""Stand in the way of the pandas that the dev set-up brings along for another project's client.

Whoever installs Syncline has no pandas, and pandera then goes another way; the programs that tests start go that way
too. The folder above is put on their path.
"""

raise ModuleNotFoundError("No module named 'pandas'")
