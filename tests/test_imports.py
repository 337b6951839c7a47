"""Who may import whom, read from the source of every module (imports inside functions count too)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "evergraph"

# A package may import itself and those before it.
ORDER = """
    framework formats ops autodiff compiler runtime training data layers keras estimator contrib distribute serving
    testing compat cli
""".split()

# (module, what it imports): why. Each entry must still be needed.
EXCEPTIONS: dict[tuple[str, str], str] = {
    (
        "evergraph.compiler.kept_programs",
        "jax.experimental.serialize_executable",
    ): "there is no other way to a file; without it programs are not kept, and all else stays",
}

MAY_IMPORT_JAX = {"ops", "compiler", "runtime"}
PUBLIC_JAX = {"jax", "jax.numpy", "jax.lax", "jax.scipy.linalg", "jax.scipy.special", "jax.extend", "jax.monitoring"}

# Modules directly under evergraph/ put the packages together, so they may import any of them.
MODULES = {
    ".".join(("evergraph", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
    if path.parent != ROOT
}


def imports(path):
    """(line, name) of everything that a source file imports; `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def package(name):
    """The second part of a dotted name: the package under evergraph."""
    return [*name.split("."), ""][1]


def is_allowed(importer, imported):
    if imported.split(".")[0] != "evergraph":
        return True
    if package(imported) not in ORDER:  # evergraph itself, or a module beside the packages
        return False
    return ORDER.index(package(imported)) <= ORDER.index(package(importer))


def uses_public_jax(imported):
    """Whether a name of JAX is taken from its public modules: `jax.numpy.add`, but not `jax.experimental.pallas`."""
    module = imported
    while module not in PUBLIC_JAX:
        module = module.rpartition(".")[0]
    rest = imported.removeprefix(module).strip(".")
    private = any(part.startswith("_") for part in imported.split("."))
    return not private and (module == "jax.extend" or rest.count(".") == 0) and rest != "experimental"


def reaches_into_jax(path):
    """Whether a source file names `jax._src` without importing it."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "_src" for node in ast.walk(ast.parse(path.read_text()))
    )


def is_jax(imported):
    return imported.split(".")[0] in ("jax", "jaxlib")


@pytest.mark.parametrize("module", MODULES)
def test_packages_import_only_what_comes_before_them(module):
    assert package(module) in ORDER, f"{package(module)} has no place in the order of packages"
    wrong = [
        f"{MODULES[module]}:{line}: {module} imports {name}"
        for line, name in imports(MODULES[module])
        if not is_allowed(module, name) and (module, name) not in EXCEPTIONS
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", MODULES)
def test_jax_is_imported_where_kernels_and_programs_are_and_through_its_public_modules(module):
    used = [(line, name) for line, name in imports(MODULES[module]) if is_jax(name)]
    if package(module) not in MAY_IMPORT_JAX:
        used = [(line, name) for line, name in used if (module, name) not in EXCEPTIONS]
        assert not used, f"{module} imports JAX: {used}"
    private = [(line, name) for line, name in used if name.startswith("jaxlib") or not uses_public_jax(name)]
    private = [(line, name) for line, name in private if (module, name) not in EXCEPTIONS]
    assert not private and not reaches_into_jax(MODULES[module]), f"{module} reaches into JAX: {private}"


def test_exceptions_are_needed():
    found = {(module, name) for module, path in MODULES.items() for _, name in imports(path)}
    assert set(EXCEPTIONS) <= found


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("evergraph.ops.math", "evergraph.framework.graph.Graph", True),
        ("evergraph.ops.math", "evergraph.ops.array", True),
        ("evergraph.framework.graph", "evergraph.ops.math", False),
        ("evergraph.ops", "evergraph.autodiff", False),
        ("evergraph.cli.main", "evergraph.compat.alias", True),
        ("evergraph.training.saver", "evergraph", False),
        ("evergraph.training.saver", "numpy.lib", True),
    ],
)
def test_the_order_itself(importer, imported, allowed):
    assert is_allowed(importer, imported) is allowed


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("jax", True),
        ("jax.jit", True),
        ("jax.numpy", True),
        ("jax.numpy.add", True),
        ("jax.lax.scan", True),
        ("jax.extend.core.Primitive", True),
        ("jax._src.core", False),
        ("jax.numpy._core", False),
        ("jax.experimental", False),
        ("jax.experimental.pallas", False),
        ("jax.interpreters.mlir", False),
    ],
)
def test_what_is_public_of_jax(name, public):
    assert uses_public_jax(name) is public


def test_import_evergraph_imports_neither_jax_nor_protobuf():
    program = """
import sys
import evergraph
heavy = sorted({"jax", "jaxlib", "google.protobuf", "tensorflow", "click", "tqdm"} & set(sys.modules))
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)
