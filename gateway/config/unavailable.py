"""What is planned and not in this version yet: said plainly, instead of "unknown key" or silence."""

from __future__ import annotations

from gateway.config.problems import Problem
from gateway.config.sources import Tree

SECTIONS = {
    "certificates": "certificate management (name the TLS files at each listener and peer)",
    "health": "health checks",
}


def take_out_unavailable(tree: Tree) -> list[Problem]:
    """Remove from `tree` what a later version will understand, and return a problem for each."""
    problems: list[Problem] = []
    for name, words in SECTIONS.items():
        if name in tree.values:
            del tree.values[name]
            file, line = tree.place((name,))
            problems.append(Problem(name, f"{words} is not available in this version", file=file, line=line))
    return problems
