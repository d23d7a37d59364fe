import json
import threading
import time
from itertools import pairwise

import pytest

from apache_index import ApacheIndex, Fault
from download_fixture import (
    ARCHIVES,
    NAMES,
    NOISE,
    QUICK,
    assert_whole,
    fetch,
    files_of,
    tmp_path_without,
    tree,
)
from govor.corpora import archives, download_job
from govor.corpora.download import (
    Patience,
    Progress,
    Selection,
)
from govor.corpora.transfer import Fetcher
from govor.errors import DownloadError
from voxforge_fixture import tgz


@pytest.fixture
def server():
    with ApacheIndex(ARCHIVES) as one:
        yield one


def test_all_submissions_arrive_byte_for_byte_with_their_origin(server, tmp_path):
    done = fetch(server, tmp_path)
    assert (done.new, done.num_present, done.failed) == (NAMES, 0, ())
    assert_whole(tmp_path)
    origin = json.loads((tmp_path / "vera/.govor.json").read_text())
    assert origin == {
        "url": server.url + "vera.tgz",
        "archive_bytes": len(ARCHIVES["vera.tgz"]),
        "num_files": 7,
    }


def test_a_second_run_fetches_only_the_index_and_touches_nothing(server, tmp_path):
    fetch(server, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    server.requests.clear()
    done = fetch(server, tmp_path)
    assert (done.new, done.num_present) == ((), 5)
    assert server.requests == [("GET", "", "")]
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("kind", ["drop", "short"])
def test_a_broken_connection_is_resumed_from_the_byte_where_it_broke(server, tmp_path, kind):
    server.faults["vera.tgz"].extend([Fault(kind, 70_000), Fault(kind, 30_000)])
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    ranges = server.gets("vera.tgz")
    assert ranges[0] == "" and len(ranges) == 3
    if kind == "short":
        # A reset may throw away what was on its way.
        assert ranges[1:] == ["bytes=70000-", "bytes=100000-"]


def test_many_breaks_do_not_end_a_fetch_that_makes_progress(server, tmp_path):
    size = len(ARCHIVES["vera.tgz"])
    big = {"vera.tgz": tgz(files_of("vera") | {"wav/ru_0004.wav": NOISE * 5}, "vera")}
    server.files = big
    assert size + 600_000 < len(big["vera.tgz"])
    server.faults["vera.tgz"].extend([Fault("short", 66_000)] * 12)
    assert fetch(server, tmp_path).new == ("vera",)
    assert len(server.gets("vera.tgz")) == 13


def test_bytes_of_an_earlier_run_are_resumed(server, tmp_path):
    server.faults["vera.tgz"].extend([Fault("short", 50_000)] + [Fault("status", 500)] * 3)
    done = fetch(server, tmp_path)
    assert [failed.name for failed in done.failed] == ["vera"]
    assert not (tmp_path / "vera").exists()
    assert (tmp_path / ".download/vera.tgz.part").stat().st_size == 50_000
    server.requests.clear()
    assert fetch(server, tmp_path).new == ("vera",)
    assert server.gets("vera.tgz") == ["bytes=50000-"]
    assert_whole(tmp_path)


@pytest.mark.parametrize("fault", ["", "blind", "deaf", "no_range_total"])
def test_a_file_that_changed_between_attempts_is_fetched_anew(server, tmp_path, fault):
    old = tgz(files_of("vera") | {"wav/ru_0001.wav": NOISE[::-1]}, "vera")
    server.files["vera.tgz"] = old
    server.faults["vera.tgz"].extend([Fault("short", 90_000)] + [Fault("status", 503)] * 3)
    assert fetch(server, tmp_path).failed
    server.files["vera.tgz"] = ARCHIVES["vera.tgz"]
    if fault:
        server.faults["vera.tgz"].append(Fault(fault))
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_without_etag_and_date_nothing_is_resumed(tmp_path):
    with ApacheIndex(ARCHIVES, validators=False) as server:
        server.faults["vera.tgz"].append(Fault("short", 80_000))
        fetch(server, tmp_path)
        assert server.gets("vera.tgz") == ["", ""]
    assert_whole(tmp_path)


def test_a_length_below_the_truth_is_found_out_by_the_check_sum(server, tmp_path):
    server.faults["vera.tgz"].append(Fault("claims_less", 1000))
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert len(server.gets("vera.tgz")) == 2


def test_a_wrong_length_every_time_is_a_failure_and_leaves_nothing(server, tmp_path):
    server.faults["vera.tgz"].extend([Fault("claims_less", 1000)] * 2)
    (failed,) = fetch(server, tmp_path).failed
    assert failed.name == "vera" and "tgz" in failed.reason
    assert_whole(tmp_path_without(tmp_path, "failures.jsonl"), NAMES[:4])


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_passing_errors_are_retried(server, tmp_path, code):
    server.faults["vera.tgz"].extend([Fault("status", code)] * 3)
    server.faults[""].append(Fault("status", code))
    fetch(server, tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("code", [403, 404, 410])
def test_lasting_errors_are_not_retried_and_the_rest_arrives(server, tmp_path, code):
    server.faults["vera.tgz"].append(Fault("status", code))
    notes = []
    done = fetch(server, tmp_path, on_note=notes.append)
    assert len(server.gets("vera.tgz")) == 1
    assert done.new == NAMES[:4] and f"HTTP {code}" in done.failed[0].reason
    (row,) = map(json.loads, (tmp_path / "failures.jsonl").read_text().splitlines())
    assert row["name"] == "vera" and row["location"].endswith("vera.tgz") and f"HTTP {code}" in row["reason"]
    assert notes == [done.failed[0].reason]
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_retry_after_makes_all_connections_to_the_host_rest(server, tmp_path):
    server.faults["alisa-20100101-aaa.tgz"].append(Fault("status", 429, header=("Retry-After", "1")))
    fetch(server, tmp_path, parallel=1)
    assert_whole(tmp_path)
    gaps = [later - earlier for earlier, later in pairwise(server.times)]
    assert max(gaps) >= 1.0


def test_a_stall_and_a_trickle_are_cut_off_and_resumed(server, tmp_path):
    patience = Patience(attempts=4, first_delay=0.01, read_timeout=0.3, slowest=1e6, slow_seconds=0.3)
    server.faults["vera.tgz"].append(Fault("slow", 65_000, seconds=1.0))
    server.faults["alisa-20100101-aaa.tgz"].append(Fault("slow", 1000, seconds=0.02))
    fetch(server, tmp_path, patience=patience)
    assert_whole(tmp_path)
    assert server.gets("vera.tgz")[1] == "bytes=65000-"
    assert len(server.gets("alisa-20100101-aaa.tgz")) > 1


def test_redirects_are_followed_and_endless_ones_are_a_failure(server, tmp_path):
    with ApacheIndex(ARCHIVES) as other:
        server.faults["vera.tgz"].append(Fault("redirect", location=other.url + "vera.tgz"))
        server.faults["boris-20100101-ccc.tgz"].extend(
            [Fault("redirect", location=server.url + "boris-20100101-ccc.tgz")] * 30
        )
        done = fetch(server, tmp_path)
        assert other.gets("vera.tgz") == [""]
    assert [failed.name for failed in done.failed] == ["boris-20100101-ccc"]


def test_a_login_page_instead_of_an_archive_is_not_taken_for_it(server, tmp_path):
    server.faults["vera.tgz"].extend([Fault("html")] * 2)
    (failed,) = fetch(server, tmp_path).failed
    assert "vera.tgz" in failed.reason and not (tmp_path / "vera").exists()


def test_limits_choose_the_first_speakers_and_the_first_gigabytes(server, tmp_path):
    one = fetch(server, tmp_path / "speakers", selection=Selection(speakers=3))
    assert one.new == NAMES[:4]
    size = len(ARCHIVES[f"{NAMES[0]}.tgz"])
    two = fetch(server, tmp_path / "bytes", selection=Selection(gigabytes=2.5 * size / 1e9))
    assert two.new == NAMES[:2]
    server.style = "bare"
    three = fetch(server, tmp_path / "heads", selection=Selection(gigabytes=2.5 * size / 1e9))
    assert three.new == NAMES[:2]
    assert fetch(server, tmp_path / "bytes", selection=Selection(gigabytes=2.5 * size / 1e9)).new == ()


def test_no_more_connections_than_asked_are_open(server, tmp_path):
    server.delay = 0.1
    fetch(server, tmp_path / "two", parallel=2)
    assert server.most_busy == 2
    server.most_busy = 0
    fetch(server, tmp_path / "four", parallel=4)
    assert server.most_busy == 4


def test_a_full_disk_is_told_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = download_job.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download_job.shutil, "disk_usage", lambda path: usage._replace(free=2 * 10**8))
    with pytest.raises(DownloadError, match="GB"):
        fetch(server, tmp_path)
    assert server.requests == [("GET", "", "")]


def test_an_error_of_the_disk_ends_the_run_instead_of_failing_every_file(server, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(server, tmp_path, parallel=1)
    assert tree(tmp_path) == {}
    monkeypatch.undo()
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_progress_ends_at_the_bytes_of_the_archives(server, tmp_path):
    seen: list[Progress] = []
    server.faults["vera.tgz"].append(Fault("short", 90_000))
    fetch(server, tmp_path, on_progress=seen.append)
    total = sum(map(len, ARCHIVES.values()))
    assert seen[-1] == Progress(5, 5, total, total)
    assert all(a.bytes_done <= b.bytes_done for a, b in pairwise(seen))


def test_two_downloads_into_one_folder_do_not_meet(server, tmp_path):
    server.delay = 1.0
    first = threading.Thread(target=lambda: fetch(server, tmp_path))
    first.start()
    while not server.requests:
        time.sleep(0.01)
    with pytest.raises(DownloadError, match="another download"):
        fetch(server, tmp_path)
    first.join()
    assert_whole(tmp_path)


def test_a_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.host)
    monkeypatch.setenv("no_proxy", "")
    with Fetcher(QUICK) as fetcher:
        fetcher.fetch("http://no-such-host.invalid/x/vera.tgz", tmp_path / "vera.tgz")
    assert (tmp_path / "vera.tgz").read_bytes() == ARCHIVES["vera.tgz"]
