"""The benchmarks' HTML report in a real browser: every plot has a size, nothing is fetched and nothing fails."""

from pathlib import Path

from playwright.async_api import Browser, expect

from bench.html_report import page as html_page
from bench.results import Curve, Report, Way, make_part

PERCENTILES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")


def report() -> Report:
    latency = [
        Way(name, {measure: [scale * (n + 1)] for n, measure in enumerate(PERCENTILES)})
        for name, scale in (("POST /actions", 2.0), ("produce & wait", 1.0))
    ]
    shards = [Way(f"{n} shards", {"per_s": [1_000.0 * n]}) for n in (1, 2, 4, 8)]
    users = [Way(f"{n} users", {"us": [float(n % 7 + 1)]}) for n in (10_000, 2_000_000)]
    over_shards = Curve(
        over="shards", measure="per_s", lines={"all": [(float(n), f"{n} shards") for n in (1, 2, 4, 8)]}
    )
    over_users = Curve(
        over="users", measure="us", lines={"worker": [(float(n), f"{n} users") for n in (10_000, 2_000_000)]}
    )
    parts = (
        make_part("latency", "POST at 5,000/s", settings={}, ways=latency),
        make_part("shards", "throughput", settings={}, ways=shards, curves=[over_shards]),
        make_part("growth", "users", settings={}, ways=users, curves=[over_users]),
    )
    return Report(form="full", seed=1, machine={"commit": "abc"}, began="now", wanted=(), parts=parts, complete=True)


async def test_every_plot_is_drawn_within_its_frame(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_text(html_page(report()), encoding="utf-8")
    page = await browser.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(file.as_uri())
    await expect(page.locator("h1")).to_have_text("Shardboard benchmarks")
    await expect(page.locator("polyline")).to_have_count(4)
    inside = """line => {
        const frame = line.ownerSVGElement.getBoundingClientRect(), box = line.getBoundingClientRect();
        return box.width > 100 && box.left >= frame.left && box.right <= frame.right
            && box.top >= frame.top && box.bottom <= frame.bottom;
    }"""
    assert await page.locator("polyline").evaluate_all(f"lines => lines.every({inside})")
    assert await page.locator("svg text").evaluate_all("all => all.every(text => text.getBBox().width > 0)")
    assert (faults, asked) == ([], [file.as_uri()])
    await page.close()
