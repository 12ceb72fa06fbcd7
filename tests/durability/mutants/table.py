"""The table of docs/durability.md: each mutant, the rule that it takes away, and what catches it.

python -m tests.durability.mutants.table      prints it, to be put between the two marks of the page
"""

from __future__ import annotations

from tests.durability.mutants.catalogue import CATALOGUE
from tests.durability.mutants.mutation import EXPLORED

BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"


def table() -> str:
    """The lines between the marks."""
    lines = ["| mutant | the rule that it takes away | caught by |", "|---|---|---|"]
    for mutant in CATALOGUE:
        caught = ", ".join(_short(test) for test in mutant.caught_by)
        lines.append(f"| `{mutant.name}` | {mutant.rule} | {caught} |")
    return "\n".join(lines)


def _short(test: str) -> str:
    if test.startswith(EXPLORED):
        return f"crash points of `{test.removeprefix(EXPLORED).strip('[]')}`"
    file, _, name = test.partition("::")
    return f"`{file.removeprefix('tests/')}`" + (f": {_words(name)}" if name else "")


def _words(name: str) -> str:
    bare, bracket, case = name.partition("[")
    words = bare.removeprefix("test_").replace("_", " ")
    return f"{words} ({case.rstrip(']')})" if bracket else words


if __name__ == "__main__":
    print(table())
