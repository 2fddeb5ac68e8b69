"""Check the rules of CONTRIBUTING.md that ruff and mypy do not: import floors, sizes, language.

python scripts/maintenance/check_house.py    # one line per problem; status 1 if there are any

``make lint`` runs it. Each check takes the sources as a dict of file name -> text and returns the
problems as lines, so that the tests can plant faults.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from scripts.arguments import Arguments  # noqa: E402
from util.console import run_main  # noqa: E402

# A module imports only from its own floor and the floors below it.
FLOORS = {"util": 0, "data": 1, "options": 2, "models": 3, "train": 4, "test": 4}
FLOORS |= {"scripts": 5, "datasets": 6}
MAX_LINES, MAX_FUNCTION = 300, 50
# Tables of data, and files where one story in one place reads better than two halves.
EXEMPT: dict[str, str] = {}  # file -> reason
RIDDLE = re.compile(r"(Whether|What|So many|How many)\b")
DANGLING = re.compile(r"# (which|that|for (it|they|he)|whose)\b")
IDIOMS = re.compile(r"\b(tol[d]|len(t|ds)|go(es)? on|as official(ly)|but[ ]for)\b")
MAX_IDIOMS = 15  # a few are right, e.g. in a quotation


def sources() -> dict[str, str]:
    """The text of every tracked Python and Markdown file, by its path from the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.md"]
    names = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    paths = {name: ROOT / name for name in names.splitlines()}
    return {
        name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.is_file()
    }


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Every absolute name that a module imports, inside functions and TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(texts: dict[str, str]) -> dict[str, set[str]]:
    """Module -> the modules of this project that it imports; modules may import their package."""
    files = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): text
        for name, text in texts.items()
        if name.endswith(".py") and name.removesuffix(".py").split("/")[0] in FLOORS
    }
    return {
        module: {
            name
            for name in imported_names(ast.parse(text))
            if name in files and name != module and not module.startswith(name + ".")
        }
        for module, text in files.items()
    }


def check_floors(texts: dict[str, str]) -> list[str]:
    """Imports from a higher floor, and circles of imports."""
    graph = import_graph(texts)
    floor = {module: FLOORS[module.split(".")[0]] for module in graph}
    problems = [
        f"{module} imports {name} from a higher floor"
        for module, names in graph.items()
        for name in sorted(names)
        if floor[name] > floor[module]
    ]
    return problems + [f"circle of imports: {' -> '.join(circle)}" for circle in circles(graph)]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One circle for each import that closes one, found by a depth-first search."""
    done: set[str] = set()
    found: list[list[str]] = []

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for name in sorted(graph[module]):
                visit(name, [*path, module])
            done.add(module)

    for module in graph:
        visit(module, [])
    return found


def check_sizes(texts: dict[str, str]) -> list[str]:
    """Files and functions that are too long."""
    problems = []
    for name, text in texts.items():
        if not name.endswith(".py") or name in EXEMPT:
            continue
        if (lines := text.count("\n")) > MAX_LINES:
            problems.append(f"{name}: {lines} lines; at most {MAX_LINES}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    where = f"{name}:{node.lineno}: {node.name}"
                    problems.append(f"{where} has {lines} lines; at most {MAX_FUNCTION}")
    return problems


def check_language(texts: dict[str, str]) -> list[str]:
    """Docstrings and comments that have to be decoded, and idioms translated word by word."""
    problems, idioms = [], []
    for name, text in texts.items():
        idioms += [f"{name}: {match[0]!r}, an idiom" for match in IDIOMS.finditer(text)]
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                docstring = ast.get_docstring(node) or ""
                if RIDDLE.match(docstring):
                    where = f"{name}:{getattr(node, 'lineno', 1)}"
                    problems.append(f"{where}: docstring begins with {docstring.split()[0]!r}")
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and DANGLING.match(token.string):
                problems.append(f"{name}:{token.start[0]}: comment begins as a relative clause")
    return problems + (idioms if len(idioms) > MAX_IDIOMS else [])


def build_parser() -> Arguments:
    return Arguments(__doc__)


def main() -> None:
    build_parser().parse_args()
    texts = sources()
    problems = check_floors(texts) + check_sizes(texts) + check_language(texts)
    print("\n".join(problems) or "floors, sizes and language: ok")
    sys.exit(bool(problems))


if __name__ == "__main__":
    run_main(main)
