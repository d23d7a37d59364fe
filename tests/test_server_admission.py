from __future__ import annotations

import pytest

from govor.server.addresses import client_key
from govor.server.admission import Places, RateLimiter, Refused


def test_a_bucket_lets_a_minute_of_requests_through_and_fills_up_again() -> None:
    now = [0.0]
    limiter = RateLimiter(60, lambda: now[0])
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(Refused) as caught:
        limiter.take("a")
    assert caught.value.retry_after == 2
    limiter.take("b")
    now[0] = 2.0
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(Refused):
        limiter.take("a")


def test_the_limiter_remembers_no_more_than_ten_thousand_clients() -> None:
    now = [0.0]
    limiter = RateLimiter(60, lambda: now[0])
    for number in range(25_000):
        limiter.take(str(number))
        now[0] += 0.001
    assert len(limiter._buckets) <= 10_000


def test_places_are_counted_by_client_and_in_all() -> None:
    places = Places(("потоки", "streams"), total=3, per_client=2)
    with places.place("a"), places.place("a"):
        with pytest.raises(Refused) as mine, places.place("a"):
            pass
        with places.place("b"), pytest.raises(Refused) as all_taken, places.place("c"):
            pass
    assert (mine.value.status, all_taken.value.status) == (429, 503)
    assert places.num_open == 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        (None, "local"),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(address: str | None, key: str) -> None:
    assert client_key(address) == key
