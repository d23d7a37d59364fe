import gzip
import io
import tarfile
from pathlib import Path

import pytest

from apache_index import ApacheIndex
from download_fixture import (
    ARCHIVES,
    NAMES,
    assert_whole,
    fetch,
    files_of,
    tmp_path_without,
)
from govor.corpora.archives import HostileArchiveError, Limits, unpack
from voxforge_fixture import tgz


@pytest.fixture
def server():
    with ApacheIndex(ARCHIVES) as one:
        yield one


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def named(name, kind=tarfile.REGTYPE, size=0):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member


def long_header():
    """A PAX header of 4 MiB, which a careless reader takes into memory, whatever its size."""
    member = tarfile.TarInfo("vera/a")
    member.pax_headers = {"comment": "x" * 2**22}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member)
    return packed.getvalue()


HOSTILE = {
    "absolute": tgz({"etc/PROMPTS": b"x"}, "/tmp/govor-escape"),
    "parent": tgz({"../../escaped": b"x"}, "vera"),
    "backslash": tgz({"..\\..\\escaped": b"x"}, "vera"),
    "symlink": tgz({}, extra=[link("vera/wav", "/etc"), named("vera/wav/passwd")]),
    "hard link": tgz({}, extra=[link("vera/a", "../../x", tarfile.LNKTYPE)]),
    "device": tgz({}, extra=[named("vera/null", tarfile.CHRTYPE)]),
    "pipe": tgz({}, extra=[named("vera/pipe", tarfile.FIFOTYPE)]),
    "bomb": tgz({"wav/a.wav": bytes(80 * 2**20)}, "vera"),
    "long header": long_header(),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_leaves_the_folder(server, tmp_path, kind):
    output = tmp_path / "a/b/corpus"
    server.files["vera.tgz"] = HOSTILE[kind]
    done = fetch(server, output)
    assert [failed.name for failed in done.failed] == ["vera"] and done.new == NAMES[:4]
    assert len(server.gets("vera.tgz")) == 1
    assert not Path("/tmp/govor-escape").exists()
    assert [path.name for path in tmp_path.rglob("*escaped*")] == []
    assert_whole(tmp_path_without(output, "failures.jsonl"), NAMES[:4])


@pytest.mark.parametrize("cut", ["end", "middle", "checksum", "empty", "nothing inside"])
def test_a_corrupt_archive_is_tried_twice_then_reported(server, tmp_path, cut):
    good = ARCHIVES["vera.tgz"]
    bad = {
        "end": good[:-9],
        "middle": good[:90_000] + bytes([good[90_000] ^ 255]) + good[90_001:],
        "checksum": good[:-8] + bytes(4) + good[-4:],
        "empty": b"",
        "nothing inside": tgz({}),
    }
    server.files["vera.tgz"] = bad[cut]
    (failed,) = fetch(server, tmp_path).failed
    assert failed.name == "vera" and len(server.gets("vera.tgz")) == 2
    assert_whole(tmp_path_without(tmp_path, "failures.jsonl"), NAMES[:4])


def test_limits_of_bytes_and_members_hold(tmp_path):
    archive = tmp_path / "a.tgz"
    archive.write_bytes(ARCHIVES["vera.tgz"])
    for limits in (Limits(num_bytes=100_000), Limits(num_members=3)):
        with pytest.raises(HostileArchiveError, match=r"a\.tgz"):
            unpack(archive, tmp_path / "out", limits)
    assert unpack(archive, tmp_path / "out", Limits(num_members=7)).num_files == 7


def test_unpacking_agrees_with_tarfile(tmp_path):
    archive = tmp_path / "a.tgz"
    archive.write_bytes(ARCHIVES["vera.tgz"])
    unpack(archive, tmp_path / "ours")
    with tarfile.open(archive) as tar:
        expected = {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}
    found = {
        p.relative_to(tmp_path / "ours").as_posix(): p.read_bytes() for p in (tmp_path / "ours").rglob("*.*")
    }
    assert {**found, **{k: (tmp_path / "ours" / k).read_bytes() for k in expected}} == expected


def test_an_archive_without_a_root_folder_or_with_another_gets_the_submission_name(server, tmp_path):
    server.files["vera.tgz"] = tgz(files_of("vera"))
    server.files["boris-20110101-ddd.tgz"] = tgz(files_of("boris-20110101-ddd"), "./something")
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_the_gzip_trailer_is_where_the_check_sum_test_expects_it():
    good = ARCHIVES["vera.tgz"]
    assert int.from_bytes(good[-4:], "little") == len(gzip.decompress(good))
