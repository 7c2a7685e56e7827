"""Which gateway and which token secret a command uses: an explicit --data-dir, the shell's environment, the default."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contracts.exit_codes import ExitCode
from foundation.env import Env
from foundation.settings import TokenSettings, read_common, read_tokens
from shardboard.command_error import CommandError
from shardboard.deployment import Deployment, find_deployment

_SECRETS: Final = ("SHARDBOARD_JWT_SECRET", "SHARDBOARD_JWT_SECRET_FILE")


def find_gateway_url(data_dir: Path | None, environ: Mapping[str, str]) -> str:
    """The gateway's base address. Raises CommandError."""
    return find_deployment(data_dir, environ).url


def find_token_settings(data_dir: Path | None, environ: Mapping[str, str]) -> TokenSettings:
    """How tokens are made. A secret that the shell names needs no deployment. Raises CommandError, BadSettings."""
    shell = {name: environ[name] for name in _SECRETS if environ.get(name)} if data_dir is None else {}
    try:
        deployment = find_deployment(data_dir, environ)
    except CommandError as error:
        if not shell or error.code is not ExitCode.REFUSED:
            raise
        deployment = Deployment(environ, None, None)
    # One source of the secret, never the shell's and the deployment's together.
    own = deployment.environ if deployment.run is None else deployment.run.environment
    secret = shell or {name: own[name] for name in _SECRETS if own.get(name)}
    env = Env({name: value for name, value in deployment.environ.items() if name not in _SECRETS} | secret)
    read_common(env)
    settings = read_tokens(env)
    env.check()
    return settings
