"""Whether the disk below a folder is encrypted, as the kernel tells."""

from __future__ import annotations

import os
from pathlib import Path


def store_encryption(location: str, sys: Path = Path("/sys/dev/block")) -> bool | None:
    """True when the block device below is dm-crypt, directly or below LVM; False when it is a plain one.

    None when nobody tells: a remote store, a network or virtual file system, a machine without /sys.
    """
    if "://" in location and not location.startswith("file://"):
        return None
    try:
        number = os.stat(location.removeprefix("file://")).st_dev  # noqa: PTH116 the device, not the path
    except OSError:
        return None
    device = sys / f"{os.major(number)}:{os.minor(number)}"
    return _is_encrypted(device.resolve()) if device.exists() else None


def _is_encrypted(device: Path) -> bool:
    """Look at a device and at the ones it is made of."""
    try:
        if (device / "dm" / "uuid").read_text().startswith("CRYPT-"):
            return True
    except OSError:
        pass
    slaves = device / "slaves"
    below = list(slaves.iterdir()) if slaves.is_dir() else []
    return bool(below) and all(_is_encrypted(one.resolve()) for one in below)
