"""Lighthouse scores of the pages with the phone profile. npx installs Lighthouse."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.bench.report import print_figure
from tests.installation import Installation, free_port

VERSION = "lighthouse@12"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
TRIES = 4
CATEGORIES = {"performance": 98, "accessibility": 100, "best-practices": 100, "seo": 100}
KINDS = {"Document", "Stylesheet", "Script", "Font"}
SIGNED_OUT_ONLY = {"seo"}  # search engines see the sign-in page only


def lighthouse() -> None:
    if not shutil.which("npx"):
        print("\nLighthouse was skipped: npx is not installed.")
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
        for name, path, page_cookies in (
            ("sign-in", "/accounts/login/", []),
            ("studio", "/", cookies),
            ("gallery", "/gallery/", cookies),
            ("picture", f"/pictures/{picture['id']}/", cookies),
        ):
            _print_report(name, _report(installation.url + path, page_cookies))


def _report(url: str, cookies: list[Any]) -> dict[str, Any]:
    """Return Lighthouse's report. Retries, because Chromium sometimes misses a trace's start."""
    for _try in range(TRIES - 1):
        try:
            return _run(url, cookies)
        except subprocess.CalledProcessError:
            continue
    return _run(url, cookies)


def _run(url: str, cookies: list[Any]) -> dict[str, Any]:
    """Run Lighthouse in a signed-in browser: a cookie header would not be sent for images."""
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
                "npx", "--yes", VERSION, url, "--quiet", "--output=json",
                f"--port={port}", "--disable-storage-reset",
                f"--only-categories={','.join(CATEGORIES)}",
            ],
            stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
        browser.close()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _print_report(name: str, report: dict[str, Any]) -> None:
    for category, target in CATEGORIES.items():
        if category in SIGNED_OUT_ONLY and name != "sign-in":
            continue
        score = round(100 * (report["categories"][category]["score"] or 0))
        print_figure(f"{name}: {category}", str(score), f">= {target}")
        for title in _failed_audits(report, category):
            print(f"    {title}")
    audits = report["audits"]
    print_figure(
        f"{name}: LCP",
        f"{audits['largest-contentful-paint']['numericValue'] / 1000:.2f} s",
        "<= 1.2 s",
    )
    print_figure(
        f"{name}: CLS", f"{audits['cumulative-layout-shift']['numericValue']:.3f}", "<= 0.01"
    )
    print_figure(
        f"{name}: blocking time",
        f"{audits['total-blocking-time']['numericValue']:.0f} ms",
        "<= 150 ms",
    )
    requests = list(_requests(report))
    for kind, target in (("Script", 30), ("Stylesheet", 14), ("Document", 10)):
        size = sum(each["transferSize"] for each in requests if each.get("resourceType") == kind)
        print_figure(f"{name}: {kind.lower()}s", f"{size / 1000:.1f} KB", f"<= {target} KB")
    others = [each for each in requests if each.get("resourceType") in KINDS]
    print_figure(f"{name}: requests without images", str(len(others)), "<= 6")
    images = [each for each in requests if each.get("resourceType") == "Image"]
    print_figure(f"{name}: images", str(len(images)), "<= 35")


def _requests(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from report["audits"]["network-requests"]["details"]["items"]


def _failed_audits(report: dict[str, Any], category: str) -> Iterator[str]:
    """Titles of the audits that lowered the score."""
    if category == "performance":
        return
    for part in report["categories"][category]["auditRefs"]:
        audit = report["audits"][part["id"]]
        if part["weight"] and audit["score"] is not None and audit["score"] < 1:
            yield audit["title"]
