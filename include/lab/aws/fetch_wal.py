"""The lab's `restore_command`: ``fetch_wal.py FOLDER %f %p`` unpacks one archived WAL file.

Runs under ``python -IS`` as the server user. Exit code 1 means that the archive ends here, as PostgreSQL expects.
"""

import sys
import zlib


def main(folder: str, name: str, target: str) -> int:
    """Exit code 0 when the file was written to the target, 1 when it is not in the archive."""
    try:
        with open(f"{folder}/{name}.gz", "rb") as packed:  # noqa: PTH123  pathlib costs more to import than this script to run
            data = zlib.decompress(packed.read(), 31)
        with open(target, "wb") as out:  # noqa: PTH123
            out.write(data)
    except OSError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
