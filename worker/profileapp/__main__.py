"""`python -m profileapp` is the command line."""

import io
import os
import sys


def main() -> None:
    """The program. Where it cannot even be imported it ends with 4: Python's own 1 would read as a verdict."""
    _speak_utf8()
    try:
        # The whole program stands behind this line.
        from profileapp.commands.main import main as run  # noqa: PLC0415
    except Exception as error:
        print(
            f"profileapp: this installation cannot be used ({type(error).__name__}: {error}); install it again",
            file=sys.stderr,
        )
        sys.exit(4)
    run()


def _speak_utf8() -> None:
    """Names of files and all that is read and printed are UTF-8, whatever the locale: LC_ALL=C is common on agents.

    How Python takes the names of files is decided before a line of ours runs, so that it is started again. Text that is
    no UTF-8 is printed with its bytes escaped.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    main()
