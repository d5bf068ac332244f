"""`python -m profileapp` is the command line."""

from profileapp.commands.main import main

if __name__ == "__main__":
    main()
