"""How a command ends other than well: a message for the user and the exit code that says what kind of end it is."""

from contracts.exit_codes import ExitCode


class CommandError(Exception):
    """Raised by a command's body; `main` prints the message and exits with the code. It says what to do next."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
