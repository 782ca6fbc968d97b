"""What Lighthouse says of the pages, on its phone profile; npm fetches it, Chromium runs it."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.bench.say import say
from tests.installation import Installation, free_port

VERSION = "lighthouse@12"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
TRIES = 4
CATEGORIES = {"performance": 98, "accessibility": 100, "best-practices": 100, "seo": 100}
KINDS = {"Document", "Stylesheet", "Script", "Font"}
SIGNED_OUT_ONLY = {"seo"}  # no search engine comes further than the door


def lighthouse() -> None:
    if not shutil.which("npx"):
        print("\nLighthouse: npx is not here, so it was not run.")
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        Installation(Path(folder)).prepare() as installation,
    ):
        installation.manage("demo", "--verbosity", "0")
        visitor = installation.open()
        cookies = [
            {"name": name, "value": value, "url": installation.url}
            for name, value in visitor.session.cookies.items()
        ]
        [picture] = installation.rows("SELECT id FROM generations_picture ORDER BY id LIMIT 1")
        print("\nLighthouse, phone profile, demo data")
        for name, address, carried in (
            ("sign-in", "/accounts/login/", []),
            ("studio", "/", cookies),
            ("gallery", "/gallery/", cookies),
            ("picture", f"/pictures/{picture['id']}/", cookies),
        ):
            _say(name, _ask(installation.url + address, carried))


def _ask(address: str, cookies: list[Any]) -> dict[str, Any]:
    """Its report. Chromium now and then misses the beginning of a trace: once more, then."""
    for _try in range(TRIES - 1):
        try:
            return _run(address, cookies)
        except subprocess.CalledProcessError:
            continue
    return _run(address, cookies)


def _run(address: str, cookies: list[Any]) -> dict[str, Any]:
    """In a browser of ours that is signed in: a header alone would not go with the pictures."""
    port = free_port()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=[*CHROMIUM_ARGUMENTS, f"--remote-debugging-port={port}"],
        )
        browser.add_cookies(cookies)
        done = subprocess.run(
            [
                "npx", "--yes", VERSION, address, "--quiet", "--output=json",
                f"--port={port}", "--disable-storage-reset",
                f"--only-categories={','.join(CATEGORIES)}",
            ],
            stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
        browser.close()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _say(name: str, report: dict[str, Any]) -> None:
    for category, target in CATEGORIES.items():
        if category in SIGNED_OUT_ONLY and name != "sign-in":
            continue
        score = round(100 * (report["categories"][category]["score"] or 0))
        say(f"{name}: {category}", str(score), f">= {target}")
        for wrong in _failed(report, category):
            print(f"    {wrong}")
    audits = report["audits"]
    say(
        f"{name}: LCP",
        f"{audits['largest-contentful-paint']['numericValue'] / 1000:.2f} s",
        "<= 1.2 s",
    )
    say(f"{name}: CLS", f"{audits['cumulative-layout-shift']['numericValue']:.3f}", "<= 0.01")
    asked = list(_requests(report))
    for kind, target in (("Script", 25), ("Stylesheet", 12), ("Document", 10)):
        size = sum(each["transferSize"] for each in asked if each.get("resourceType") == kind)
        say(f"{name}: {kind.lower()}s over the line", f"{size / 1000:.1f} KB", f"<= {target} KB")
    others = [each for each in asked if each.get("resourceType") in KINDS]
    say(f"{name}: requests without pictures", str(len(others)), "<= 6")


def _requests(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from report["audits"]["network-requests"]["details"]["items"]


def _failed(report: dict[str, Any], category: str) -> Iterator[str]:
    """What cost points, in Lighthouse's own words."""
    if category == "performance":
        return
    for part in report["categories"][category]["auditRefs"]:
        audit = report["audits"][part["id"]]
        if part["weight"] and audit["score"] is not None and audit["score"] < 1:
            yield audit["title"]
