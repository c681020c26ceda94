"""Turn a site's own words into the study's: rename, recode, convert units, read dates. Pure.

``mapping`` holds the mapping language and reads its files; ``placement`` says where each study form stands in a
site's project; ``reading`` turns text into types; ``harmonise`` joins them into one frame a form.
"""
