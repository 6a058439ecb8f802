"""Whether a change may be deployed: what it loses, loosens or restarts, told from Pulumi's own preview of any program."""

from .judgement import Finding, Judgement, Level, judge
from .plan import Plan, read
from .report import as_data, as_markdown, as_text

__all__ = ["Finding", "Judgement", "Level", "Plan", "as_data", "as_markdown", "as_text", "judge", "read"]
