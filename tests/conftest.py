"""Makes the shared servers available to every ring of tests."""

pytest_plugins = ["tests.support.services", "tests.support.secret_watch", "pytester"]
