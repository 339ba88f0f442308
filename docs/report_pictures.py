"""The picture of the report in the docs: its summary in light colours above a group of samples in dark ones.

    rlvr train hackable run.dir=runs/weak run.samples_per_step=64
    python docs/report_pictures.py runs/weak --filter "flags ~ canaries and right < 1" --view group \\
        --out docs/report.png

Needs Chromium and its driver, and `pip install 'rlvr-gym[dev]'`.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from rlvr_gym.report import write_report

WIDTH, HEIGHT, GAP = 1280, 860, 12
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb")


def main() -> None:
    """Take the picture that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--filter", default="", help="which samples the second half shows")
    parser.add_argument("--view", default="sample", help="how: sample, group, times")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        write_report(asked.runs, page)
        with _browser() as browser:
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
            )
            light = _picture(browser, page, "light", "")
            dark = _picture(browser, page, "dark", f"showWhere({asked.filter!r}); view({asked.view!r})")
    _stacked([light, dark]).quantize(192).save(asked.out, optimize=True)
    print(f"wrote {asked.out}")


def _browser() -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in FLAGS:
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


def _picture(browser: Any, page: Path, theme: str, script: str) -> Image.Image:
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(page.as_uri())
    if script:
        browser.execute_script(script)
    WebDriverWait(browser, 10).until(
        lambda _: browser.execute_script("return document.documentElement.dataset.theme") == theme
    )
    time.sleep(0.5)  # fonts, and what is drawn in the next frames
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


def _stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    height = sum(picture.height + GAP for picture in pictures) - GAP
    whole = Image.new("RGB", (WIDTH, height), (128, 128, 128))
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height + GAP
    return whole


if __name__ == "__main__":
    main()
