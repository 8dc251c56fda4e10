"""The law: what a cycle decides, as pure functions over plain values.

correlate  which record of one side belongs to which of the other
merge      what a link should look like, field by field, under authority
settle     what the whole tree allows: kept folders, broken cycles, names that clash
plan       the difference between what should be and what is, as operations
order      in which order they can be carried out; urgency: which files go first
access     who is let in at the root of a share; unsaid: what of its rights no role can express

Standard library only; no clock, no log, no database, no network.
"""
