"""The lab's `archive_command`: ``archive_wal.py %p %f FOLDER [FOLDER …]`` stores one WAL file, compressed, in each folder.

Runs under ``python -IS`` as the server user, so it imports next to nothing. Each copy appears whole or not at all: it is
written beside and renamed (not synced, as the lab's servers run with fsync off as well). The same content a second time is
a success; other content under the same name is refused, as PostgreSQL's documentation asks: two servers must never share
an archive.
"""

import os
import sys
import zlib


def store(data: bytes, target: str) -> None:
    """Write the gzip of the data at the target. Raises FileExistsError when other data is there already."""
    if os.path.exists(target):  # noqa: PTH110  pathlib costs more to import than this script to run
        with open(target, "rb") as there:  # noqa: PTH123
            if zlib.decompress(there.read(), 31) == data:
                return
        raise FileExistsError(f"{target} holds other content: another server archives into this folder")
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    part = f"{target}.part"
    with open(part, "wb") as out:  # noqa: PTH123
        out.write(packer.compress(data) + packer.flush())
    os.rename(part, target)  # noqa: PTH104


def main(source: str, name: str, folders: list[str]) -> int:
    """Exit code 0 when the file is in every folder; 1, with a line in the server's log, when it is not."""
    try:
        with open(source, "rb") as file:  # noqa: PTH123
            data = file.read()
        for folder in folders:
            store(data, f"{folder}/{name}.gz")
    except OSError as error:
        sys.stderr.write(f"archive_wal: {name}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
