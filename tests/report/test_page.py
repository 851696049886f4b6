"""The page in a real browser: one fit of hostile names, too short to converge, serves all tests."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from known_responses import ACCURACY, simulated
from looking import faultless
from matplotlib.figure import Figure
from playwright.sync_api import Page

from bayescale import Fit, Runs, ScalingModel, Settings
from bayescale.base.numbers import digits
from bayescale.cli import main as cli
from bayescale.report import figures
from bayescale.report.page import as_markdown

HOSTILE = ("<script>alert(1)</script>", "x" * 300, "通义千问")
SECTIONS = ("answer", "forecast", "families", "law", "discrepancy", "plan", "exhaustion", "checks",
            "priors", "data", "reproduce")  # fmt: skip


@pytest.fixture(scope="module")
def fit(table: Runs) -> Fit:
    frame = table.table.reset_index(drop=True)
    names = dict(zip(("Falcon", "Yi", "Qwen2"), HOSTILE, strict=True))
    frame["family"] = frame["family"].replace(names)
    runs = Runs.from_frame(frame, name=HOSTILE[0])
    return ScalingModel("compute-only").fit(runs, Settings(draws=200, tune=300, chains=2))


@pytest.fixture(scope="module")
def folder(fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit.save(tmp_path_factory.mktemp("page") / "fit")


@pytest.fixture(scope="module")
def opened(folder: Path) -> str:
    """Write the report; what a browser is asked to open."""
    browser, address = folder.parent / "browser", folder.parent / "address"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{address}"\n')
    browser.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWSER", str(browser))
        arguments = ["report", str(folder), "--out", str(folder.parent), "--open"]
        patch.setattr(sys, "argv", ["bayescale", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 3  # the fit did not converge
    return address.read_text().strip()


@pytest.fixture(scope="module")
def written(folder: Path, opened: str) -> dict[str, Any]:
    return json.loads((folder.parent / "report.json").read_text("utf-8"))


@pytest.fixture
def page(browser: Any, folder: Path, written: dict[str, Any]) -> Iterator[Page]:
    with faultless(browser, folder.parent / "index.html") as opened:
        yield opened


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command prints on standard output."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bayescale", *map(str, arguments)])
        with pytest.raises(SystemExit):
            cli.main()
    return capsys.readouterr().out


def predicted(folder: Path, capsys: pytest.CaptureFixture[str], kind: str) -> str:
    """The interval that the command prints for (70B, 15T, Llama-3)."""
    at = "params=70B,tokens=15T,family=Llama-3"
    output = command(capsys, "predict", folder, "--at", at, "--kind", kind)
    row = next(line for line in output.splitlines() if "point-1" in line)
    median, lower, upper, _ = row.split()[-4:]
    return f"{median}: {lower} to {upper}"


def forecast(page: Page, kind: str) -> str:
    # The forecaster draws in the next frame.
    page.evaluate("new Promise((d) => requestAnimationFrame(() => requestAnimationFrame(d)))")
    median, ends = (page.inner_text(f"[data-answer={name}]") for name in ("median", kind))
    return f"{median}: {ends}"


def test_a_report_is_opened_in_the_browser_of_the_user(opened: str, folder: Path) -> None:
    assert opened == (folder.parent / "index.html").as_uri()


def test_every_section_renders(page: Page) -> None:
    assert page.eval_on_selector_all("section", "all => all.map(s => s.id)") == list(SECTIONS)
    assert page.locator("figure svg").count() == page.locator("figure").count() >= 7
    assert page.locator("figure details table").count() == page.locator("figure").count()
    assert page.locator(".uplot").count() == 2
    paint = "performance.getEntriesByType('paint').at(-1).startTime"
    assert page.evaluate(paint) < 1000


def test_all_can_be_read_without_javascript(browser: Any, page: Page) -> None:
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(page.url)
    assert plain.locator("section").count() == len(SECTIONS)
    assert plain.locator(".fallback").count() == 2
    assert plain.locator("figure svg").count() == page.locator("figure svg").count()


def test_dragging_shows_what_predict_prints(
    page: Page, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, wanted in (("Parameters", 10 * 90 + 60), ("Tokens", 13 * 90 + 5)):
        slider = page.get_by_label(f"{name}, slider")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        least, most, at = (float(slider.evaluate(f"e => e.{k}")) for k in ("min", "max", "value"))

        def x(value: float, box: Any = box, least: float = least, most: float = most) -> float:
            return box["x"] + 8 + (box["width"] - 16) * (value - least) / (most - least)

        page.mouse.move(x(at), box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(x(wanted), box["y"] + box["height"] / 2, steps=5)
        page.mouse.up()
        slider.focus()  # a pixel is more than one step: the last ones by the arrow keys
        while (now := int(slider.evaluate("e => e.value"))) != wanted:
            page.keyboard.press("ArrowRight" if now < wanted else "ArrowLeft")
    page.get_by_label("Family").select_option(label="Llama-3")
    assert page.get_by_label("Parameters", exact=True).input_value() == "70B"
    assert page.get_by_label("Tokens", exact=True).input_value() == "15T"
    for kind in ("run", "curve"):
        printed = predicted(folder, capsys, kind)
        assert forecast(page, kind).partition(":")[2] == printed.partition(":")[2]
    assert forecast(page, "run") == predicted(folder, capsys, "run")


def test_the_keyboard_alone_does_it(
    page: Page, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tab_to(label: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.labels?.[0]?.textContent") == label:
                return
        raise AssertionError(f"no way to {label} by Tab")

    for label, text in (("Parameters", "70B"), ("Tokens", "15T")):
        tab_to(label)
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
    tab_to("Family")
    page.keyboard.press("End")  # a new family
    page.keyboard.type("Llama-3")
    assert forecast(page, "run") == predicted(folder, capsys, "run")


def test_an_accuracy_has_the_digits_of_the_command_line(
    browser: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between chance and 1, and with the probability of as much or more."""
    fit = ScalingModel(ACCURACY).fit(simulated("accuracy"), Settings(draws=300, tune=500))
    folder = fit.save(tmp_path / "fit")
    command(capsys, "report", folder, "--out", tmp_path, "--target", "0.82")
    output = command(capsys, "predict", folder, "--at", "params=30B,tokens=1T", "--target", "0.82")
    row = next(line for line in output.splitlines() if "point-1" in line)
    median, lower, upper, probability = row.split()[3:7]
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.get_by_label("Parameters", exact=True).fill("30B")
    page.get_by_label("Tokens", exact=True).fill("1T")
    page.get_by_label("Target (share)").fill("0.82")
    assert forecast(page, "run") == f"{median}: {lower} to {upper}"
    assert page.inner_text("[data-answer=reach]") == probability
    said = page.inner_text("#answer")
    assert "probability of 0.820 or more" in said
    assert "odds of a miss = E + A/N^alpha + B/D^beta" in page.inner_text("#law")
    assert "a response between 0.25 and 1" in page.inner_text("#law")
    page.close()


def test_the_scenario_starts_at_the_reports_answer(page: Page, written: dict[str, Any]) -> None:
    year = written["exhaustion"]["year"]
    expected = f"{year['median']:.1f} ({year['lower']:.1f} to {year['upper']:.1f})"
    assert page.inner_text("[data-answer=year]") == expected
    page.get_by_label("Stock of tokens, median", exact=True).fill("50000T")
    assert page.inner_text("[data-answer=year]") != expected


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_a_telephone_and_all_can_read(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    violations = Axe().run(page).response["violations"]
    serious = [v["id"] for v in violations if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in violations]
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_printed_pages_break_between_sections(page: Page, tmp_path: Path) -> None:
    page.emulate_media(media="print")
    breaks = page.eval_on_selector_all(
        "section", "all => all.map(s => getComputedStyle(s).breakBefore)"
    )
    assert set(breaks[1:]) == {"page"}
    pdf = page.pdf(path=tmp_path / "page.pdf")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= len(SECTIONS)


def test_hostile_names_are_text(page: Page, folder: Path) -> None:
    for name in HOSTILE:
        assert name in page.locator("#families").text_content()
        assert name in page.get_by_label("Family").locator("option").all_text_contents()
    assert HOSTILE[0] not in (folder.parent / "report.md").read_text("utf-8")


def test_a_fit_that_did_not_converge_says_so_first(page: Page) -> None:
    alert = page.locator("[role=alert]")
    assert "did not converge" in alert.inner_text()
    assert page.evaluate("document.body.firstElementChild.getAttribute('role')") == "alert"
    red, green, blue = map(
        int, re.findall(r"\d+", alert.evaluate("e => getComputedStyle(e).color"))[:3]
    )
    assert red > 2 * green
    assert red > 2 * blue


def test_page_markdown_json_and_command_line_say_the_same(
    page: Page, written: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Walk every paragraph and every cell of the document."""
    texts: list[str] = list(written["document"]["alerts"])
    for section in written["document"]["sections"]:
        texts.append(section["title"])
        for block in section["blocks"]:
            texts += _texts(block)
    assert len(texts) > 1000
    shown = " ".join(page.evaluate("document.body.textContent").split())
    markdown = (folder.parent / "report.md").read_text("utf-8")
    assert markdown == as_markdown(written)
    plain = " ".join(re.sub(r"\\(.)", r"\1", markdown).replace("`", "").split())
    for text in (text.replace("`", "") for text in texts):
        assert " ".join(text.split()) in shown
        assert " ".join(text.split()) in plain
    section = written["fits"][0]
    for row in section["predictions"]:
        groups = [f"{g}={row[g]}" for g in ("family", "tokenizer") if row[f"{g}_is"] == "known"]
        at = ",".join([f"params={row['params']!r}", f"tokens={row['tokens']!r}", *groups])
        for kind, key in (("run", "new_run"), ("curve", "curve")):
            output = command(capsys, "predict", folder, "--at", at, "--kind", kind, "--json")
            (answer,) = json.loads(output)["rows"]
            assert {end: answer[end] for end in ("lower", "upper")} == row[key]
            assert f"{digits(answer['lower'])} to {digits(answer['upper'])}" in shown
    for row in section["inverse"][:2]:
        groups = [f"--group={g}={label}" for g, label in row["groups"].items()]
        options = ["--target", row["target"], "--prob", row["prob"]]
        options += ["--params", repr(row["params"]), *groups]
        answer = json.loads(command(capsys, "invert", folder, *options, "--json"))
        assert answer["tokens"] == row["tokens"]


def test_a_figure_alone(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "effects.svg"
    assert command(capsys, "plot", "effects", folder, "--out", out).split()[-1] == str(out)
    assert HOSTILE[2] in out.read_text("utf-8")
    typo = ["bayescale", "plot", "efects", str(folder), "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", typo)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 2
    assert "did you mean effects?" in capsys.readouterr().err


def test_what_no_font_can_draw_is_said(tmp_path: Path) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, "\ue123")  # of private use: no font has it
    assert figures.save(figure, tmp_path / "text.svg") == []
    (note,) = figures.save(figure, tmp_path / "text.png")
    assert note.code == "missing-glyphs"
    assert "\ue123" in note.text


def _texts(value: Any) -> list[str]:
    """The texts of a block that every format shows."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return [text for inner in value for text in _texts(inner)]
    if not isinstance(value, dict) or value.get("kind") == "interactive":
        return []
    not_shown = {"kind", "tone", "source", "alt", "status", "folded", "caption"}
    return [text for key, inner in value.items() if key not in not_shown for text in _texts(inner)]
