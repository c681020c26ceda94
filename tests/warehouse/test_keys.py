"""The file of the ledger's key, and the check value that stands with each site's chain."""

import threading

import pytest

from sync.errors import ConfigError, SyncError
from sync.warehouse import keys
from sync.warehouse.keys import KeyFile


def test_a_key_is_kept_when_something_is_written_with_it(tmp_path):
    path = tmp_path / "key"
    file = KeyFile(path)
    assert file.read() is None
    given = file.give()
    assert file.give() == given
    assert not path.exists()
    file.keep()
    assert file.read() == KeyFile(path).give() == given
    file.keep()
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_threads_are_given_one_key(tmp_path):
    file = KeyFile(tmp_path / "key")
    given = set()

    def work():
        given.add(file.give())
        file.keep()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == {file.read()}


def test_who_comes_second_with_a_new_key_writes_nothing(tmp_path):
    one, other = KeyFile(tmp_path / "key"), KeyFile(tmp_path / "key")
    one.give(), other.give()
    one.keep()
    with pytest.raises(SyncError, match="run again"):
        other.keep()
    assert other.give() == one.give()


@pytest.mark.parametrize("content", [b"", b"\n", b"0123456789abcdef"])
def test_a_file_that_holds_no_key_is_refused(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    for ask in (KeyFile(path).read, KeyFile(path).give):
        with pytest.raises(ConfigError, match="holds no key"):
            ask()
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    file = KeyFile(tmp_path / "gone" / "key")
    file.give()
    with pytest.raises(SyncError, match="cannot be kept"):
        file.keep()


def test_only_the_key_that_was_used_fits():
    used = keys.check_value(b"one")
    keys.refuse_other(None, ())
    keys.refuse_other(b"any", ())
    keys.refuse_other(b"one", {used})
    for key, known in ((None, {used}), (b"other", {used}), (b"one", {used, keys.check_value(b"other")})):
        with pytest.raises(ConfigError, match="from the backup"):
            keys.refuse_other(key, known)
