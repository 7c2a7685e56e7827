"""The kernel's accounting of a process."""

import os

from bench.cpu_time import cpu_s
from tests.support.wait import wait_until


async def test_work_is_seen_and_a_process_that_is_gone_costs_nothing() -> None:
    before_s = cpu_s([os.getpid()])

    def has_worked() -> bool:
        sum(range(200_000))
        return cpu_s([os.getpid()]) > before_s

    await wait_until(has_worked, timeout_s=20, what="the work to be accounted")
    assert cpu_s([2**22 + 1]) == 0.0
    assert abs(cpu_s([os.getpid()]) - sum(os.times()[:2])) < 0.5
