"""A damaged copy of a good recovery point, for the canary. Made of links, so that it costs next to nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from include.clouds.selfhosted.files import Store
from include.recovery.model import RecoveryPoint

_LARGEST = 16 << 20
"""Bytes of the largest file that is copied to be damaged."""


@contextmanager
def spoiled(point: RecoveryPoint) -> Iterator[RecoveryPoint]:
    """The point with one file damaged, in a folder that is removed on exit. The original is only read.

    A plain base backup gets bytes turned in a data file of the right size, which only a checksum can find; a tar set or a
    dump is cut off. Raises OSError when the point cannot be read.
    """
    with Store(point.location).at_hand() as source, TemporaryDirectory(prefix="dy-canary-") as scratch:
        place = Path(scratch, source.name)
        if source.is_file():
            cut(source, place)
        else:
            link_tree(source.resolve(), place)
            damage(place, tarred=bool(point.facts.get("tarred")))
        yield point.model_copy(update={"id": f"canary-{point.id}", "location": str(place)})


def link_tree(source: Path, place: Path) -> None:
    """A folder tree of the same shape, with a link for each file."""
    place.mkdir()
    for entry in source.iterdir():
        if entry.is_dir():
            link_tree(entry, place / entry.name)
        else:
            (place / entry.name).symlink_to(entry)


def damage(place: Path, *, tarred: bool) -> None:
    """Damage one file of a set: the largest that is cheap to copy, else the smallest there is."""
    files = [path for path in place.rglob("*") if path.is_file() and worth(path.relative_to(place), tarred=tarred)]
    files.sort(key=lambda path: path.stat().st_size)
    cheap = [path for path in files if 0 < path.stat().st_size <= _LARGEST]
    chosen = cheap[-1] if cheap else files[0]
    original = chosen.resolve()
    chosen.unlink()
    if (place / "backup_manifest").exists() and not tarred:
        turn(original, chosen)
    else:
        cut(original, chosen)


def worth(path: Path, *, tarred: bool) -> bool:
    """Whether a file is one of the set's data: the manifest itself stays good, so that it is what tells."""
    if tarred:
        return path.name.startswith("base.tar")
    return path.parts[0] in ("base", "global") if len(path.parts) > 1 else path.suffix in (".dat", ".gz", ".zst", ".lz4")


def turn(source: Path, target: Path) -> None:
    """A copy of the same size with one page in the middle turned."""
    shutil.copyfile(source, target)
    with target.open("r+b") as file:
        middle = source.stat().st_size // 2
        file.seek(middle)
        page = file.read(512)
        file.seek(middle)
        file.write(bytes(byte ^ 0xFF for byte in page))


def cut(source: Path, target: Path) -> None:
    """A copy that ends in the middle, or at `_LARGEST` bytes when the file is longer than twice that."""
    keep = min(source.stat().st_size // 2, _LARGEST)
    with source.open("rb") as reader, target.open("xb") as writer:
        while keep and (block := reader.read(min(keep, 1 << 20))):
            writer.write(block)
            keep -= len(block)
