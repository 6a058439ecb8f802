"""From a Helm chart's values to a stack configuration, with what differs and what has to be done by hand.

`tables/` has one file per chart: each value key, its counterpart here, and by which transformation it becomes that. docs/charts.md is
written from the same files.
"""
