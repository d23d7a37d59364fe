import hashlib
import json

import pytest

from apache_index import ApacheIndex, Fault
from download_fixture import ARCHIVES, NAMES, QUICK, assert_whole, files_of, tree
from govor.corpora.download import (
    Selection,
    archive_source,
    classic_source,
    download_voxforge,
    mirror_source,
)
from govor.corpora.web_index import parse_index
from govor.errors import ConfigError, DownloadError
from voxforge_fixture import tgz


@pytest.fixture
def server():
    with ApacheIndex(ARCHIVES) as one:
        yield one


def test_the_next_source_gives_what_the_first_could_not(server, tmp_path):
    server.faults["vera.tgz"].append(Fault("status", 404))
    with ApacheIndex(ARCHIVES) as other:
        sources = [
            mirror_source(server.host + "/nowhere/x.html"),
            mirror_source(server.url),
            mirror_source(other.url),
        ]
        done = download_voxforge(tmp_path, sources, patience=QUICK)
        assert [name for _, name, _ in other.requests] == ["", "vera.tgz"]
    assert (done.new, done.failed) == (NAMES, ())
    log = [json.loads(line)["name"] for line in (tmp_path / "failures.jsonl").read_text().splitlines()]
    assert log == ["", "vera"]


def test_a_dead_host_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/"):
        download_voxforge(tmp_path, [classic_source("127.0.0.1:9")], patience=QUICK)


def test_the_classic_layout_is_asked_for_by_rate():
    assert [classic_source(rate=rate).location for rate in ("16kHz_16bit", "8kHz_16bit", "48kHz_16bit")] == [
        "http://www.repository.voxforge1.org/downloads/Russian/Trunk/Audio/Main/16kHz_16bit/",
        "http://www.repository.voxforge1.org/downloads/Russian/Trunk/Audio/Main/8kHz_16bit/",
        "http://www.repository.voxforge1.org/downloads/Russian/Trunk/Audio/Original/48kHz_16bit/",
    ]


def test_another_rate_is_not_mixed_into_the_same_folder(server, tmp_path):
    download_voxforge(tmp_path, [classic_source(server.host)], patience=QUICK)
    with pytest.raises(ConfigError, match="16kHz_16bit"):
        download_voxforge(tmp_path, [classic_source(server.host, "8kHz_16bit")], patience=QUICK)


@pytest.mark.parametrize("style", ["apache", "nginx", "bare"])
def test_an_index_page_gives_names_addresses_and_sizes(style):
    names = ["anonymous-20110101-abcdefgh.tgz", "имя с пробелом-20110101-abc.tgz", "README.html"]
    index = ApacheIndex(dict.fromkeys(names, bytes(3_000_000)), style)
    entries = parse_index(index.page(), "http://host/a/")
    assert [entry.name for entry in entries] == ["anonymous-20110101-abcdefgh", "имя с пробелом-20110101-abc"]
    assert entries[0].url == "http://host/a/anonymous-20110101-abcdefgh.tgz"
    size = {"apache": round(2.9 * 2**20), "nginx": 3_000_000, "bare": None}[style]
    assert [entry.size for entry in entries] == [size, size]


def test_links_that_would_leave_the_folder_or_hide_are_not_followed():
    page = '<a href="..%2f..%2fx.tgz">1</a><a href=".hidden.tgz">2</a><a href="file:///x.tgz">3</a><a href="http://[x.tgz">4</a>'
    assert parse_index(page, "http://host/a/") == []


def whole_archive(root="voxforge-ru"):
    files = {f"{name}/{path}": data for name in NAMES for path, data in files_of(name).items()}
    return tgz(files | {"README": b"about"}, root)


@pytest.mark.parametrize("root", ["voxforge-ru", ""])
def test_one_archive_from_the_disk_gives_the_same_submissions(tmp_path, root):
    path = tmp_path / "voxforge-russian.tar.gz"
    path.write_bytes(whole_archive(root))
    source = archive_source(str(path), hashlib.sha256(path.read_bytes()).hexdigest())
    output = tmp_path / "out"
    assert download_voxforge(output, [source], Selection(speakers=2)).new == NAMES[:2]
    assert download_voxforge(output, [source]).new == NAMES[2:]
    assert download_voxforge(output, [source]).new == ()
    (output / ".download/archives.json").unlink()
    assert_whole(output)
    assert path.exists()


def test_one_archive_by_address_is_resumed_checked_and_not_fetched_again(tmp_path):
    data = whole_archive()
    with ApacheIndex({"all.tar.gz": data}) as server:
        server.faults["all.tar.gz"].append(Fault("short", 300_000))
        source = archive_source(server.url + "all.tar.gz", hashlib.sha256(data).hexdigest())
        assert download_voxforge(tmp_path, [source], patience=QUICK).new == NAMES
        assert server.gets("all.tar.gz") == ["", "bytes=300000-"]
        server.requests.clear()
        again = download_voxforge(tmp_path, [source], patience=QUICK)
        assert (again.new, again.num_present, server.requests) == ((), 5, [])
    (tmp_path / ".download/archives.json").unlink()
    assert_whole(tmp_path)


def test_a_wrong_sha256_is_refused_by_address_and_from_the_disk(tmp_path):
    data = whole_archive()
    path = tmp_path / "all.tar.gz"
    path.write_bytes(data)
    with ApacheIndex({"all.tar.gz": data}) as server:
        for location in (str(path), server.url + "all.tar.gz"):
            with pytest.raises(DownloadError, match="SHA-256"):
                download_voxforge(tmp_path / "out", [archive_source(location, "0" * 64)], patience=QUICK)
    assert tree(tmp_path / "out").keys() == {"failures.jsonl"}
