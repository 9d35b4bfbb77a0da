"""Where the browser for tests is, on a machine that has one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

KNOWN = (
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/snap/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def chromium() -> str | None:
    """The browser to use: ``DRILLYARD_CHROMIUM``, the PATH, or where systems install it."""
    named = os.environ.get("DRILLYARD_CHROMIUM")
    names = [named] if named else [*map(shutil.which, ("chromium", "chromium-browser", "google-chrome")), *KNOWN]
    return next((name for name in names if name and Path(name).is_file()), None)
