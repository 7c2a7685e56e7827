"""The demo's loop: performs the crowd's next action through the gateway, as that person, until told to stop."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import msgspec

from contracts.clock import monotonic_s, now_ms
from contracts.demo_users import DEMO_USERS
from contracts.ids import UserId
from foundation.logs import get_log
from foundation.service import StopSignal
from foundation.settings import TokenSettings
from shardboard.demo.crowd import Crowd, Planned
from shardboard.minting import Claims
from shardboard.replay import plan
from shardboard.replay.bearer import MintedBearer
from shardboard.replay.http_gateway import Endpoint, GatewayConnection, request_head

RULES: Final = plan.RetryRules(give_up_after_s=30.0, first_contact_s=30.0)
"""A gateway that restarts is back within seconds. After a longer absence the action is dropped: nobody waits for it."""
PAUSE_AFTER_GIVING_UP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What the demo runs on."""

    endpoint: Endpoint
    tokens: TokenSettings


class Demo:
    """Performs actions one after another over one connection."""

    def __init__(self, settings: DemoSettings, crowd: Crowd, *, stop: StopSignal) -> None:
        self._endpoint = settings.endpoint
        self._crowd = crowd
        self._stop = stop
        self._connection = GatewayConnection(settings.endpoint)
        self._bearers: Mapping[UserId, MintedBearer] = {
            user.user_id: MintedBearer(settings.tokens, Claims(user.user_id, name=user.name), now_s=_now_s)
            for user in DEMO_USERS
        }
        self._trouble: str | None = None

    async def run(self) -> None:
        """Go on until told to stop."""
        try:
            while True:
                planned = self._crowd.next()
                if await self._stop.sleep(planned.wait_s):
                    return
                self._note(await self._perform(planned))
                if self._trouble and await self._stop.sleep(PAUSE_AFTER_GIVING_UP_S):
                    return
        finally:
            self._connection.close()

    async def _perform(self, planned: Planned) -> str | None:
        """Send one action until its outcome is known; what went wrong, or None. All tries carry the same id."""
        bearer = self._bearers[planned.user.user_id]
        action = {"user_id": planned.user.user_id, "action": planned.action, "action_id": str(uuid4())}
        body = msgspec.json.encode(action)
        first_s = monotonic_s()
        count = 0
        while True:
            count += 1
            token = bearer.token()
            answer = await self._connection.post(request_head(self._endpoint, token), body)
            attempt = plan.Attempt(count, monotonic_s() - first_s, has_contact=True)
            match plan.on_answer(attempt, answer, rules=RULES, jitter=random.random()):
                case plan.Accepted():
                    return None
                case plan.Refused(reason, detail):
                    return f"{reason}: {detail}"
                case plan.GiveUp(reason):
                    return reason
                case plan.TokenRefused(detail):
                    if not bearer.renew(token):
                        return f"token refused: {detail}"
                case plan.Retry(after_s, reason):
                    self._note(reason)
                    if await self._stop.sleep(after_s):
                        return reason

    def _note(self, trouble: str | None) -> None:
        """Log the change from well to troubled and back, not every try."""
        if trouble and not self._trouble:
            get_log().warning("gateway_refuses", reason=trouble)
        elif self._trouble and not trouble:
            get_log().info("gateway_accepts")
        self._trouble = trouble


def _now_s() -> float:
    return now_ms() / 1000
