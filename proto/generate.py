"""Makes generated/ from the contract: Python modules, their types, and a descriptor set with every comment.

Not `buf generate`: the plugins come from pinned Python packages, so that the same contract gives the same bytes on
every machine. `--check` changes nothing and fails where generated/ is not what the contract says.
"""

import filecmp
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

CONTRACT = Path(__file__).parent
GENERATED = CONTRACT.parent / "generated"
# Served by reflection beside the contract, so that a client can decode the details of an error.
ERROR_DETAILS = ("google/rpc/error_details.proto", "google/rpc/status.proto")
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")


def main() -> int:
    """Write generated/tidings anew, or with --check compare it. Return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "tidings"
        generate(fresh.parent)
        if sys.argv[1:] == ["--check"]:
            stale = differences(fresh, GENERATED / "tidings")
            for path in stale:
                print(f"generated/tidings/{path} is not what proto/ says: run `make generate`", file=sys.stderr)
            return 1 if stale else 0
        shutil.rmtree(GENERATED / "tidings", ignore_errors=True)
        shutil.copytree(fresh, GENERATED / "tidings")
        return 0


def generate(out: Path) -> None:
    """Write the package `tidings` into a folder."""
    contract = sorted(path.relative_to(CONTRACT).as_posix() for path in CONTRACT.rglob("*.proto"))
    package = out / "tidings" / "v1"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""The contract of Tidings, generated from proto/tidings/v1."""\n')
    (package.parent / "py.typed").touch()
    protoc(
        *(f"--plugin={Path(sys.executable).with_name(plugin)}" for plugin in PLUGINS),
        *(f"--{language}_out={out}" for language in ("python", "grpc_python")),
        *(f"--{language}_out=quiet,generate_concrete_servicer_stubs:{out}" for language in ("mypy", "mypy_grpc")),
        *contract,
    )
    protoc(
        f"--proto_path={googleapis()}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={package / 'descriptors.binpb'}",
        *contract,
        *ERROR_DETAILS,
    )


def protoc(*arguments: str) -> None:
    """Run the compiler of grpcio-tools, which knows google/protobuf by itself. It prints its own errors."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={CONTRACT}", *arguments]
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(code)


def googleapis() -> Path:
    """Return the folder that google/rpc/*.proto are found in."""
    spec = find_spec("google.rpc.status_pb2")
    if spec is None or spec.origin is None:
        sys.exit("googleapis-common-protos is not installed: run `make setup`")
    return Path(spec.origin).parents[2]


def differences(fresh: Path, current: Path) -> list[Path]:
    """Return the files that one tree lacks or that differ, by their path inside the trees."""
    paths = {path.relative_to(tree) for tree in (fresh, current) for path in tree.rglob("*") if path.is_file()}
    return sorted(
        path
        for path in paths
        if "__pycache__" not in path.parts
        and not (
            (fresh / path).is_file()
            and (current / path).is_file()
            and filecmp.cmp(fresh / path, current / path, shallow=False)
        )
    )


if __name__ == "__main__":
    sys.exit(main())
