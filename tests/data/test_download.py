"""A download is whole and checked or it is not there; an archive stays in its folder."""

import hashlib
import http.server
import threading

import pytest

from snn.data.download import fetch, unpack
from snn.errors import DataError
from snn.runtime.files import sha256

from .image_data import write_tar

CONTENT = bytes(range(256)) * 2000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, by ranges if `ranges`; hangs up after `cut` bytes; answers 404 elsewhere than at /file."""

    ranges, cut, asked = True, None, None

    def do_GET(self):
        asked = self.headers.get("Range")
        self.asked.append(asked)
        if self.path != "/file":
            return self.send_error(404)
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if first >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        self.wfile.write(CONTENT[first : self.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Own", (Server,), {"asked": []})
    own = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True).start()
    yield handler, f"http://127.0.0.1:{own.server_port}"
    own.shutdown()
    own.server_close()


def test_a_download_is_whole_and_checked(server, tmp_path):
    _, url = server
    fetch(f"{url}/file", tmp_path / "new" / "file", SUM)
    assert (tmp_path / "new" / "file").read_bytes() == CONTENT
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["file"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_is_cut_off_goes_on_where_it_ended(server, tmp_path, ranges):
    handler, url = server
    handler.cut, handler.ranges = 300_000, ranges
    with pytest.raises(DataError, match=r"no connection .*try again later, or put the file there yourself"):
        fetch(f"{url}/file", tmp_path / "file", SUM)
    assert (tmp_path / "file.part").stat().st_size == 300_000
    assert not (tmp_path / "file").exists()
    handler.cut = None
    fetch(f"{url}/file", tmp_path / "file", SUM)
    assert handler.asked == [None, "bytes=300000-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_taken(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    fetch(f"{server[1]}/file", tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_another_file_than_expected_is_deleted(server, tmp_path):
    with pytest.raises(DataError, match="downloaded file does not match its checksum and was deleted"):
        fetch(f"{server[1]}/file", tmp_path / "file", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_no_server_and_no_file_are_one_line(server, tmp_path):
    with pytest.raises(DataError, match=r"/none: the server answers 404 .Not Found.; try again later") as error:
        fetch(f"{server[1]}/none", tmp_path / "file", SUM)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"no connection .*refused"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file", SUM)


def test_nothing_of_an_archive_lies_elsewhere_or_is_a_link(tmp_path):
    folder = tmp_path / "inner"
    names = ["root/good", "root/../../escaped", "../escaped", "/tmp/snn-escaped", "root/..", "root/deep/er", "other/x"]
    archive = write_tar(folder / "a.tar.gz", dict.fromkeys(names, b"x"), links={"root/link": "/etc/passwd"})
    target = unpack(archive, "root", ["good"], sha256(archive))
    assert target == folder / "root"
    assert [p.name for p in target.iterdir()] == ["good"]
    assert sorted(p.name for p in folder.iterdir()) == ["a.tar.gz", "root"]
    assert [p.name for p in tmp_path.iterdir()] == ["inner"]
    with pytest.raises(DataError, match="holds no root/link"):
        unpack(archive, "root", ["good", "link"], sha256(archive))


def test_an_archive_may_hold_names_that_no_file_can_have(tmp_path):
    archive = write_tar(
        tmp_path / "a.tar.gz", dict.fromkeys(["root/", "root/.", "root/" + "x" * 300, "root/good"], b"x")
    )
    assert [p.name for p in unpack(archive, "root", ["good"], sha256(archive)).iterdir()] == ["good"]


def test_what_is_no_answer_of_a_server_is_one_short_line(server, tmp_path):
    handler, url = server
    handler.do_GET = lambda self: self.wfile.write(b"\0\xff\n\r" * 5000)
    with pytest.raises(DataError, match="no connection") as error:
        fetch(f"{url}/file", tmp_path / "file", SUM)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_a_damaged_archive_leaves_nothing_behind(tmp_path):
    archive = write_tar(tmp_path / "a.tar.gz", {"root/good": CONTENT})
    archive.write_bytes(archive.read_bytes()[:-300])
    with pytest.raises(DataError, match="does not match its checksum"):
        unpack(archive, "root", ["good"], "0" * 64)
    with pytest.raises(DataError, match=r"a.tar.gz: cannot be unpacked .*delete it, and download it again"):
        unpack(archive, "root", ["good"], sha256(archive))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]
