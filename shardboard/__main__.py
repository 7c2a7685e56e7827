"""`python -m shardboard` is the command `shardboard`."""

from shardboard.cli.app import main

if __name__ == "__main__":
    main()
