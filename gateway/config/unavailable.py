"""What is planned and not in this version yet: said plainly, instead of "unknown key" or silence."""

from __future__ import annotations

from gateway.config.problems import Problem, show
from gateway.config.sources import Tree

SECTIONS = {
    "link": "the gateway link to a hub",
    "hub": "the hub",
    "admin": "the status page",
    "audit": "the audit trail",
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
    routes = tree.values.get("route")
    for number, route in enumerate(routes if isinstance(routes, list) else ()):
        if isinstance(route, dict) and route.get("mode") == "relay":
            path = ("route", number, "mode")
            file, line = tree.place(path)
            del route["mode"]
            words = "relaying is not available in this version; objects can be stored and forwarded"
            problems.append(
                Problem(tree.point_at(path), words, show(path, "relay"), '"store"', file=file, line=line)
            )
    return problems
