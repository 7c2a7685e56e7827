"""What wrk is given and what its words mean."""

import pytest

from bench.wrk import Request, Requests, WrkFailed, parse

DONE = "  {requests} requests in 1.00s, 1.2MB read\n{more}Requests/sec:   1234.50\n"


def test_rate_and_count_are_read() -> None:
    assert parse(DONE.format(requests=1_235, more=""), "") == (1_234.5, 1_235)


@pytest.mark.parametrize(
    "told",
    [
        DONE.format(requests=9, more="  Non-2xx or 3xx responses: 3\n"),
        DONE.format(requests=9, more="  Socket errors: connect 0, read 1, write 0, timeout 0\n"),
        DONE.format(requests=0, more=""),
        "",
    ],
)
def test_answers_that_are_not_as_wanted_are_no_result(told: str) -> None:
    with pytest.raises(WrkFailed):
        parse(told, "unable to connect")


def test_every_body_is_sent_with_the_token() -> None:
    script = Requests("/actions", (b'{"user_id":"a"}', b'{"user_id":"b"}'), "secret").script()
    assert script.count('wrk.format("POST", "/actions", {["Authorization"] = "Bearer secret",') == 2
    assert script.count("Content-Type") == 2
    assert 'wrk.format("GET", "/x", {}, nil)' in Requests("/x").script()


def test_requests_of_any_kind_are_sent_in_turn() -> None:
    script = Requests(several=(Request("PUT", "/a", b'{"score":1}'), Request("POST", "/b", b"{}", "secret"))).script()
    assert 'wrk.format("PUT", "/a", {["Content-Type"] = "application/json"}, "{\\"score\\":1}")' in script
    assert 'wrk.format("POST", "/b", {["Authorization"] = "Bearer secret"' in script
