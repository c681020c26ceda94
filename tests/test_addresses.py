"""Addresses: what counts as one server, and as one address, however it is written."""

import pytest

from sync import addresses


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://redcap.example.org/api/", "redcap.example.org"),
        ("https://REDCap.Example.org/api/", "redcap.example.org"),
        ("HTTPS://redcap.example.org:443/api/", "redcap.example.org"),
        ("https://redcap.example.org:/api/", "redcap.example.org"),
        ("https://redcap.example.org./api/", "redcap.example.org"),
        ("https://u:secret@redcap.example.org/api/", "redcap.example.org"),
        ("http://redcap.example.org:80/api/", "redcap.example.org"),
        ("http://redcap.example.org:443/api/", "redcap.example.org:443"),
        ("https://redcap.example.org:8443/api/", "redcap.example.org:8443"),
        ("https://[2001:DB8::1]:443/api/", "[2001:db8::1]"),
        ("http://[::1]:8765/api/", "[::1]:8765"),
        ("https://redcap.example.org:99999/api/", ""),
        ("https://[broken/api/", ""),
    ],
)
def test_a_server_has_one_name(url: str, host: str) -> None:
    assert addresses.host_of(url) == host


def test_an_address_has_one_form_in_which_the_case_of_its_path_stays() -> None:
    plain = "https://redcap.example.org/REDCap/api/"
    for url in (plain, "https://u:secret@REDCAP.example.org:443/REDCap/api/"):
        assert addresses.normal(url) == plain
    assert addresses.normal(plain.lower()) != plain
    assert addresses.normal("http://redcap.example.org/api/?a=B") == "http://redcap.example.org/api/?a=B"
    assert addresses.normal("https://redcap.example.org:x/api/") == "https://redcap.example.org:x/api/"
