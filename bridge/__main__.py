"""`python -m bridge`, which is the command `poll-bridge`."""

from bridge.cli.app import main

if __name__ == "__main__":
    main()
