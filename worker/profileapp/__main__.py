"""`python -m profileapp` is the command line."""

import sys


def main() -> None:
    """The program. Where it cannot even be imported it ends with 4: Python's own 1 would read as a verdict."""
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


if __name__ == "__main__":
    main()
