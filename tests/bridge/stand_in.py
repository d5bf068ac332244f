"""A wheel that stands in for the worker: it has no dependencies and prints its arguments.

`--until FILE` waits until FILE exists. `--exit CODE` sets the exit code.
"""

import zipfile
from pathlib import Path

_MAIN = """\
import json, os, sys, time
from pathlib import Path

args = sys.argv[1:]
print(json.dumps({"args": args, "pid": os.getpid(), "executable": sys.executable}), flush=True)
if "--until" in args:
    while not Path(args[args.index("--until") + 1]).exists():
        time.sleep(0.02)
sys.exit(int(args[args.index("--exit") + 1]) if "--exit" in args else 0)
"""


def write_wheel(folder: Path, name: str, version: str, main: str = _MAIN, extra: str = "", requires: str = "") -> Path:
    """Writes a wheel of package `name` into `folder`. With `extra`, the extra requires package `requires`, or none."""
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if extra:
        metadata += f"Provides-Extra: {extra}\n"
    if requires:
        metadata += f"Requires-Dist: {requires}; extra == '{extra}'\n"
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n",
        f"{name}/__main__.py": main,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel
