"""The page docs/configuration.md: made from what the services read, so that it cannot say anything else."""

from typing import Final

from shardboard.all_settings import READERS, SettingShown, read_all

_SECRETS_DEFAULT: Final = {"SHARDBOARD_JWT_SECRET": "a development secret", "SHARDBOARD_TOKEN": ""}
"""Secrets are not shown, not even this one, which is in the source."""
_HEAD: Final = """# Configuration

<!-- Made by `shardboard config docs > docs/configuration.md`. Change the settings' own texts, then make it anew. -->

Every setting is an environment variable that begins with `SHARDBOARD_`. A service reads its settings once, when it
starts, and refuses to start when one of them is wrong: it names all faults at once, each with its value and the rule.

- `shardboard config show` prints every setting as it is here and now: the value, whether it is the default, who reads
  it.
- `shardboard config check` judges as the services do, without starting any: exit code 3 means that one would refuse.
  It also warns of variables that nothing reads, which are most likely typing errors.
- A secret may stand in a file: `SHARDBOARD_JWT_SECRET_FILE=/run/secrets/jwt` instead of `SHARDBOARD_JWT_SECRET`.
  Giving both is a fault. Secrets and passwords in URLs are never shown.
- An empty variable counts as absent. Switches are `1` or `0`.
- Settings that belong together are checked together, such as the window in which a repeated id is recognised, which
  must cover the oldest and the newest timestamp accepted, Kafka's longest append and twice the clocks' difference.

The topic, its number of partitions, `SHARDBOARD_PERIODS` and `SHARDBOARD_WINDOW_MS` are fixed for the life of a
deployment. They are stored in its Redis servers and in Postgres, and a service that was given others refuses to
start.

## Production

`SHARDBOARD_ENV=production` writes logs as JSON, and refuses what is fine on a laptop:

| Refused | Why | Instead |
|---|---|---|
| the development secret | anybody can read it and make tokens | `SHARDBOARD_JWT_SECRET`, 32 random bytes or more |
| `SHARDBOARD_DEMO=1` | anybody may act as a demo user | leave it out |
| `shardboard demo` | it would write made-up actions among real ones | another deployment |
| no `SHARDBOARD_JWT_ISSUER`, no `SHARDBOARD_JWT_AUDIENCE` | tokens of another deployment might pass | your own |
| a JWK Set over `http://` | who changes it on the way signs any token | `https://` |
| `SHARDBOARD_CORS_ORIGINS=*` | every web page may read answers | your origins |
| passwords without TLS | whoever listens on the way has them | `rediss://`, `sslmode=verify-full`, `sasl_ssl` |
| a topic with replication < 3 | a lost broker stops or loses writes | `shardboard topics create --replication 3` |
| a topic with `min.insync.replicas` < 2 | an acknowledgement would mean one copy | set it to 2 |

A topic without `LogAppendTime`, or with another number of partitions than the deployment's, is refused everywhere:
what counts is decided by Kafka's time, and a user's partition by their number. So is a Redis that may evict keys, or
that belongs to another deployment.

`SHARDBOARD_ALLOW_INSECURE` accepts some of these by name: see [security.md](security.md#production).

### SHARDBOARD_ALLOW_UNSAFE_REPLICATION

With `1`, production accepts a topic with fewer copies than the two rules above ask for. What it gives up is exactly
this: a `201` may be lost. Kafka acknowledges when all replicas in sync have the record; with one replica, or with
`min.insync.replicas` 1, that can be a single disk. If that disk is lost, so is every action that no worker and no
archiver had read yet, and the log can no longer rebuild what the archive lacks.

Set it where this is a choice: a single-node installation whose disk is itself replicated, or a trial under
production's other rules. Do not set it to make an error go away after a broker was lost: the topic's settings have
not changed then, and the services start without it.

### Postgres is optional for scoring and for reads

Without `SHARDBOARD_POSTGRES_URL` nothing is archived, and no shard can be moved or restored beyond what the log
holds. The gateway uses Postgres for one thing: when it starts while the cache is away, it shows the archive's boards,
marked stale, until the first board comes from the cache.
"""


def configuration_page() -> str:
    """The whole page."""
    settings = read_all({}).settings
    everywhere = [setting for setting in settings if set(setting.services) == set(READERS)]
    parts = [_HEAD, _section("Every service and command", everywhere)]
    rest = [setting for setting in settings if setting not in everywhere]
    for readers in sorted({setting.services for setting in rest}, key=_place):
        title = " and ".join(readers).capitalize()
        parts.append(_section(title, [setting for setting in rest if setting.services == readers]))
    return "\n".join(parts)


def _place(readers: tuple[str, ...]) -> tuple[int, int]:
    """In the order of an action's way; what several read stands after what the first of them reads alone."""
    return list(READERS).index(readers[0]), len(readers)


def _section(title: str, settings: list[SettingShown]) -> str:
    rows = [f"| `{s.name}` | {_default(s)} | {_cell(s.meaning)} |" for s in settings]
    return "\n".join([f"## {title}", "", "| Setting | Default | Meaning |", "|---|---|---|", *rows, ""])


def _default(setting: SettingShown) -> str:
    if setting.name in _SECRETS_DEFAULT:
        return _SECRETS_DEFAULT[setting.name]
    return f"`{_cell(setting.value)}`" if setting.value else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
