from __future__ import annotations

import base64
import hashlib
import re

from photos.page import html, security_headers


def test_the_policy_permits_the_pages_own_style_and_script_by_their_hashes() -> None:
    policy = security_headers(["http://127.0.0.1:9000/x?y"])["content-security-policy"]
    for tag in ("style", "script"):
        found = re.search(rf"<{tag}[^>]*>(.*?)</{tag}>", html(), re.DOTALL)
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found.group(1).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_policy_permits_the_storage_and_nothing_else() -> None:
    urls = ["https://uploads.example/a?sig=1", "https://thumbs.example:8443/b", "https://uploads.example/c"]
    policy = security_headers(urls)["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "connect-src 'self' https://thumbs.example:8443 https://uploads.example" in policy
    assert "img-src 'self' blob: data: https://thumbs.example:8443 https://uploads.example" in policy


def test_the_page_asks_nobody_else_and_assumes_no_base_path() -> None:
    inside = html().replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in inside
    assert "https://" not in inside
    assert re.findall(r'(?:src|href|action)="(?!data:)[^"]*"', inside) == []
    assert " style=" not in inside
