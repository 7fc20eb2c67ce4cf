"""Published packages, fetched by name into a folder and read from their archives."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path


def npm(package: str, version: str, cache: Path) -> Path:
    """The tarball of an npm package, downloaded once with `npm pack`.

    Args:
        package: Name, such as `@lobehub/fluent-emoji-3d`.
        version: Exact version.
        cache: Folder that keeps the archives.
    """
    archive = cache / f"{package.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", f"{package}@{version}"], cwd=cache, check=True)
    return archive


def pypi(package: str, version: str, cache: Path) -> Path:
    """The source archive of a PyPI package, downloaded once with `pip download`."""
    archive = cache / f"{package.replace('-', '_')}-{version}.tar.gz"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*command, "-d", str(cache), f"{package}=={version}"], check=True)
    return archive


def members(archive: Path, prefix: str, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Names (without folder and suffix) and contents of the matching files of an archive."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.name.startswith(prefix) and member.name.endswith(suffix):
                file = tar.extractfile(member)
                if file is not None:
                    yield Path(member.name).name.removesuffix(suffix), file.read()
