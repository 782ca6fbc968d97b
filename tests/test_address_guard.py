"""Which addresses count as public, and which URLs as internal."""

import pytest

from generations.engines.address_guard import is_internal_url, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1",  # noqa: S104
        "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255",
        "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "224.0.1.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1",
        "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1",
        "fc00::1", "fd00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
        "no address", "",
    ],
)  # fmt: skip
def test_non_public_address_is_rejected(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "223.1.1.1",
     "2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"],
)  # fmt: skip
def test_public_address_is_accepted(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
        "127.0.0.1.", "10.1.2.3", "169.254.169.254", "2852039166", "0xA9FEA9FE", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[fe80::1%25eth0]", "[fd00::1]",
        "[64:ff9b::7f00:1]", "10.3", "999999999999", "1.2.3.4.5", "0x7g.1", "localhost",
        "LOCALHOST.", "a.localhost", "printer.local", "db.internal", "metadata.google.internal",
        "nas", "router.lan", "x.home.arpa", "wiki.corp", "１２７.０.０.１", "127。0。0。1",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "127%2e0%2e0%2e1", "user:word@127.0.0.1", "127.0.0.1:8000",
        "127.0.0.1\\@a.example",
    ],
)  # fmt: skip
def test_internal_url_is_recognized_in_every_spelling(host: str) -> None:
    assert is_internal_url(f"https://{host}/a.png")


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/127.0.0.1.png", "https://1.1.1.1/a.png", "https://16843009/a.png",
        "https://[2606:4700::1111]/a.png", "https://localhost.example/a.png",
        "https://10.example/a.png", "https://3com.com/a.png", "https://местный.рф/a.png",
        "https://local/../", "https://a.example?host=localhost", "https://not an address", "", "x",
        "https://[::1", "https://", "https://1.2.3/a.png",
    ],
)  # fmt: skip
def test_other_url_is_not_internal(url: str) -> None:
    assert is_internal_url(url) == ("//local/" in url)
