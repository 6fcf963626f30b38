"""Nothing that people set, type or plug in goes without words; the reference is made from them."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.lint.tree import Finding, Source, python_sources

PLUG = "src/madang/kernel/module.py"


def check(root: Path) -> Iterator[Finding]:
    """Settings, commands and Module methods."""
    for source in python_sources(root, "src"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and is_settings(node):
                yield from settings(source, node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from commands(source, node)
        if source.path == PLUG:
            yield from plug(source)


def is_settings(node: ast.ClassDef) -> bool:
    """Whether the class is read from the environment."""
    return any(ast.unparse(base).split(".")[-1] in {"BaseSettings", "EnvSettings"} for base in node.bases)


def settings(source: Source, node: ast.ClassDef) -> Iterator[Finding]:
    """Every setting has a description."""
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or "ClassVar" in ast.unparse(field.annotation):
            continue
        keywords = {keyword.arg for part in ast.walk(field) if isinstance(part, ast.Call) for keyword in part.keywords}
        if "description" not in keywords:
            message = f"the setting {ast.unparse(field.target)} needs `Field(description=…)`; the reference prints it"
            yield Finding(source.path, field.lineno, "documented", message)


def commands(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    """Every command says what it does, and every option what it means."""
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            continue
        verb, keywords = decorator.func.attr, {keyword.arg for keyword in decorator.keywords}
        if verb in {"command", "group"} and not ast.get_docstring(node) and "help" not in keywords:
            message = f"the command {node.name} needs a docstring; `--help` and the reference print it"
            yield Finding(source.path, node.lineno, "documented", message)
        if verb == "option" and "help" not in keywords:
            message = f"an option of {node.name} needs `help=`; `--help` and the reference print it"
            yield Finding(source.path, decorator.lineno, "documented", message)


def plug(source: Source) -> Iterator[Finding]:
    """Every method of Module says what it brings, and to which process."""
    for node in source.tree.body:
        if not isinstance(node, ast.ClassDef) or node.name != "Module":
            continue
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and not ast.get_docstring(method):
                message = f"Module.{method.name} needs a docstring; the reference prints it"
                yield Finding(source.path, method.lineno, "documented", message)
