"""Benchmarks: every metric is a ratio whose two sides are measured in the same run, so that machines can be compared.

`docs/benchmarks.md` says what each metric means. Nothing here decides whether a change is good: a goal that is missed is
reported, not an error.
"""
