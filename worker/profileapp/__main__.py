"""`python -m profileapp` is the command line."""

import io
import os
import sys


def main() -> None:
    """Runs the command line. Exits with 4 if it cannot be imported: Python's own 1 would read as a verdict."""
    _speak_utf8()
    try:
        # This imports everything else.
        from profileapp.commands.main import main as run  # noqa: PLC0415
    except Exception as error:
        print(
            f"profileapp: this installation cannot be used ({type(error).__name__}: {error}); install it again",
            file=sys.stderr,
        )
        sys.exit(4)
    run()


def _speak_utf8() -> None:
    """Uses UTF-8 for file names, input and output, whatever the locale: LC_ALL=C is common on agents.

    Python chooses the encoding of file names before it runs any of our code, so the process re-executes itself. Bytes
    that are not valid UTF-8 are printed escaped.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    main()
