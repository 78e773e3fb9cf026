"""The report of a run: `render(folder)` writes report.html; it reads run folders only."""

from chainrule.report.render import render as render
