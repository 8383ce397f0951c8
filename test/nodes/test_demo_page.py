"""The page that the demo leaves: whole in itself, safe, and shown by a browser where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from camf_ros.demo.demo_page import demo_page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in {"meta", "img", "polyline", "line"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


@pytest.fixture
def page():
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 255
    return demo_page(
        {"model": "<camf>", "latency_ms": {"p50": 51.0}, "fused_received": 206},
        {"Thermal": np.full((40, 60), 90, np.uint8), "Fused": red},
        {"thermal": [10.0, 9.5, 10.5], "fused": [8.0, 9.0, 10.0]},
        {"thermal": [0.5, -0.25], "RGB": [0.1, 0.2]},
        np.zeros((30, 80, 3), np.uint8),
    )


def test_the_page_is_whole_and_needs_nothing_else(page):
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    sources = [attributes["src"] for tag, attributes in tags.seen if tag == "img"]
    assert len(sources) == 3
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not {"script", "link"} & {tag for tag, _ in tags.seen}
    assert len([tag for tag, _ in tags.seen if tag == "polyline"]) == 4


def test_values_are_shown_as_text(page):
    assert "&lt;camf&gt;" in page
    assert "<camf>" not in page
    assert "p50 51.0" in page
    assert ">206<" in page


def test_lines_start_at_zero_and_end_at_the_largest(page):
    first, *_ = re.findall(r'points="([^"]*)"', page)
    heights = [float(point.split(",")[1]) for point in first.split()]
    assert heights[2] == min(heights) == 6.0  # 10.5, the largest, is at the top
    axes = re.findall(r'y1="([^"]*)"', page)
    assert axes[:2] == ["164.0", "6.0"]  # 0 and the largest value
    assert axes[2] == re.findall(r'points="[^,]*,[^,]*,([^"]*)"', page)[2], "-0.25 is the lowest"


def test_without_data_the_page_says_so():
    assert demo_page({}, {}, {}, {}).count("No data.") == 2


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_pictures(page, tmp_path):
    file, shot = tmp_path / "index.html", tmp_path / "shot.png"
    file.write_text(page, encoding="utf-8")
    subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,1000", f"--screenshot={shot}"),
            file.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    picture = cv2.imread(str(shot))
    red = (picture[..., 2] > 230) & (picture[..., 1] < 30) & (picture[..., 0] < 30)
    assert red.sum() > 20_000
