"""Contests: every arm of a fair test tuned alike and judged on fresh seeds, and what may be said of that.

Arms, tasks and mechanisms are data; `contest` lives them, `suite` keeps a contest in a folder, `outcome`
reads it back, and the rest are tables, verdicts and pictures. The commands are `emotional-ed suite`,
`emotional_ed.experiments.evidence` and `emotional_ed.experiments.ladder`.
"""
