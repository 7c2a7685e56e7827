"""`python -m shardboard.demo` is `shardboard demo`: how the supervisor starts it."""

import sys

from shardboard.cli.app import main

if __name__ == "__main__":
    sys.argv.insert(1, "demo")
    main()
