"""Stand-ins for nsys, nvprof and TAU: they run the app and write the files that the real tools would write."""

from __future__ import annotations

import sqlite3
from pathlib import Path

TAU_PROFILE = """2 templated_functions_MULTI_TIME
# Name Calls Subrs Excl Incl ProfileCalls #
"main [{/src/app.c} {3,0}]" 1 5 1000000 4000000 0 GROUP="TAU_DEFAULT"
"infer [{/src/app.c} {9,0}]" 5 0 3000000 3000000 0 GROUP="TAU_USER"
0 aggregates
"""
NVPROF_CSV = """==12== NVPROF is profiling process 12, command: app
"Type","Time(%)","Time","Calls","Avg","Min","Max","Name"
,%,ms,,us,us,us,
"GPU activities",75,30,10,3000,2000,4000,"infer(float*, int)"
"GPU activities",25,10,20,500,400,600,"[CUDA memcpy HtoD]"
"API calls",100,5,30,166,100,200,"cudaLaunchKernel"
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def tau(
    folder: Path, bindings: tuple[str, ...] = ("shared-disable", "shared-pthread", "shared-python-pthread")
) -> Path:
    """An installation of TAU: its folder. The app's first output line has the arguments of the tool."""
    architecture = folder / "x86_64"
    for name in bindings:
        (architecture / "lib" / name).mkdir(parents=True)
    profile = "".join(f"{line}\n" for line in TAU_PROFILE.splitlines())
    script(
        architecture / "bin/tau_exec",
        f"""echo "tau_exec $*"
while [ "$1" != -ebs ]; do shift; done; shift
"$@"; code=$?
cat >"$PROFILEDIR/profile.0.0.0" <<'END'
{profile}END
exit $code""",
    )
    script(architecture / "bin/tau_python", 'echo "tau_python $*"\nshift 2\nexec python3 "$@"')
    return folder


def nsys(folder: Path, database: Path) -> Path:
    """Folder of an installation of Nsight Systems whose export is a copy of `database`."""
    script(
        folder / "bin/nsys",
        f"""if [ "$1" = export ]; then
    while [ "$1" != --output ]; do shift; done
    exec cp {database} "$2"
fi
echo "nsys $*"
for arg do case "$arg" in --output=*) output=${{arg#--output=}};; esac; done
shift
while [ "${{1#--}}" != "$1" ]; do shift; done
"$@"; code=$?
echo report >"$output.nsys-rep"
exit $code""",
    )
    return folder


def kernel_database(path: Path) -> Path:
    """An export of nsys: a kernel of 2 and 4 ms, and a copy of 1 MB in 1 ms."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE StringIds (id INTEGER, value TEXT);
            INSERT INTO StringIds VALUES (1, 'infer');
            CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, demangledName INTEGER);
            INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (0, 2000000, 1), (5000000, 9000000, 1);
            CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER, end INTEGER, bytes INTEGER, copyKind INTEGER);
            INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (0, 1000000, 1000000, 1);
            """
        )
    connection.close()
    return path


def nvprof(folder: Path) -> Path:
    """Folder of an installation of CUDA with nvprof."""
    table = folder / "report.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(NVPROF_CSV)
    script(
        folder / "bin/nvprof",
        f"""echo "nvprof $*"
for arg do case "$arg" in --log-file=*) log=${{arg#--log-file=}};; esac; done
while [ "${{1#--}}" != "$1" ]; do shift; done
"$@"; code=$?
cp {table} "$(echo "$log" | sed s/%p/12/)"
exit $code""",
    )
    return folder
