"""Write: a report's content, figures and explorers into one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayescale.base.errors import BayescaleError
from bayescale.base.files import write_whole
from bayescale.base.output import read_json
from bayescale.fit.benchmarks.fit import BenchmarkFit
from bayescale.fit.fit import Fit
from bayescale.plan.scenario import Scenario
from bayescale.report import figures
from bayescale.report.browser import curve_as_javascript
from bayescale.report.content import content, sections_of
from bayescale.report.content.benchmarks import benchmarks, score_points
from bayescale.report.content.changes import changes, earlier
from bayescale.report.content.forecasts import default_points
from bayescale.report.content.running import Running, running
from bayescale.report.decisions import SCENARIO, decisions, exhaustion
from bayescale.report.explorer import exhaustion_explorer, explorer, refusal, score_explorer
from bayescale.report.figures.benchmarks import score_curves, score_figure
from bayescale.report.figures.files import as_svg
from bayescale.report.page import as_html, as_markdown
from bayescale.report.sections import document
from bayescale.report.which_law import which_law


def write(
    fits: Sequence[Fit],
    out: Path,
    *,
    command: str,
    points: Sequence[Mapping[str, Any]] | None = None,
    target: float | None = None,
    budget: float | None = None,
    against: Path | None = None,
    comparison: Mapping[str, Any] | None = None,
    rivals: Sequence[Fit] = (),
    in_progress: Running | None = None,
    scores: BenchmarkFit | None = None,
) -> dict[str, Any]:
    """Write `index.html`, `report.md`, `report.json` and the first figure.

    Parameters
    ----------
    fits, command, points, target, budget
        As for `content`. Where any of the last three is given, sections that answer another
        question are left out.
    out : Path
    against : Path, optional
        Folder of an earlier fit or report: what changed since.
    comparison : mapping, optional
        Of models, as `Comparison.to_dict` gives it.
    rivals : sequence of Fit
        Fits that are compared with the first, and have no section of their own.
    in_progress : Running, optional
        Curves of runs that are training now: where they end.
    scores : BenchmarkFit, optional
        Benchmark scores of models: what one of the sizes asked for gets.

    Returns
    -------
    dict
        What `report.json` holds.

    Raises
    ------
    BayescaleError
        If the folder cannot be written.
    """
    shown = [fit for fit, _ in sections_of(fits)]
    forecast = default_points(shown[0]) if points is None else points
    # Refused, if at all, before anything is computed.
    old = None if against is None else earlier(against, shown[0].spec.response, forecast)
    report = content(
        fits,
        points=points,
        target=target,
        budget=budget,
        command=command,
        earlier=_before(out / "report.json"),
    )
    drawn: dict[str, str] = {}
    embedded: dict[str, dict[str, Any]] = {}
    curves: dict[str, str] = {}
    for i, (fit, section) in enumerate(zip(shown, report["fits"], strict=True)):
        planned = not report["asked"] or budget is not None
        section["decisions"], of_fit = decisions(fit, budget) if planned else (None, {})
        of_fit |= {kind: getattr(figures, kind.replace("-", "_"))(fit) for kind in figures.OF_A_FIT}
        drawn |= {f"f{i}-{kind}": as_svg(figure, kind) for kind, figure in of_fit.items() if figure}
        section["explorer_refused"] = refusal(fit)
        if section["explorer_refused"] is None:
            embedded[f"f{i}"] = explorer(fit, default_points(fit)[0], share=len(shown))
            curves[f"data-f{i}"] = curve_as_javascript(fit.spec)
    report["exhaustion"] = None
    if not report["asked"]:
        report["exhaustion"], figure = exhaustion(shown)
        drawn["exhaustion"] = as_svg(figure, "exhaustion")
        embedded["exhaustion"] = exhaustion_explorer(Scenario.load(SCENARIO))
    report["law"] = report["changes"] = report["running"] = None
    if against is not None and old is not None:
        report["changes"] = changes(against, old, report["fits"][0])
    if comparison is not None:
        report["law"], of_laws = which_law(comparison, [*shown, *rivals], forecast)
        drawn |= {f"law-{kind}": as_svg(figure, kind) for kind, figure in of_laws.items()}
    if in_progress is not None:
        of_loss = target if shown[0].spec.response == "loss" else None  # as the curves are
        report["running"], of_curves = running(in_progress, of_loss)
        drawn |= {kind: as_svg(figure, kind) for kind, figure in of_curves.items()}
    report["benchmarks"] = None
    if scores is not None:
        at = score_points(scores, points)
        along = score_curves(scores, also=(6 * at["params"] * at["tokens"]).tolist())
        report["benchmarks"] = benchmarks(scores, at, along, asked=points is not None)
        drawn["scores"] = as_svg(score_figure(scores, curves=along), "scores")
        embedded["benchmarks"] = score_explorer(scores, along, at)
    written = document(report, set(drawn))
    report["document"] = written.to_dict()
    report["passed"] = report["passed"] and not written.alerts
    files = {
        "index.html": as_html(report, drawn, embedded, curves),
        "report.md": as_markdown(report),
        "report.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "curve.svg": drawn["f0-curve"],
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_whole(out / name, text)
    except OSError as error:
        raise BayescaleError(f"{out}: cannot be written: {error.strerror}") from error
    return report


def _before(path: Path) -> dict[str, Any] | None:
    """The report that is there already; one that cannot be read is as good as none."""
    try:
        return read_json(path)
    except BayescaleError:
        return None
