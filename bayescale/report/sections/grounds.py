"""Grounds: checks, priors, data, and how to reproduce the report."""

from __future__ import annotations

from typing import Any

from bayescale.base.numbers import human, within
from bayescale.report.document import Block, Checks, Code, Paragraph, Table
from bayescale.report.sections.forecasts import GROUP_NOTES
from bayescale.report.sections.writing import Content, Context, band, median_and_band, notes
from bayescale.report.sentences import columns, sentence


def checks(context: Context) -> list[Block]:
    """Every check with its status, and the figure of the posterior predictive check."""
    rows = [
        {**row, "shown": sentence(f"checks.status.{row['status']}")}
        for row in context.fit["checks"]
    ]
    replicates = Table(
        sentence("checks.figure_alt"),
        columns("run median interval observed inside", prob=context.prob),
        [[str(r["run"]), *median_and_band(r), within(r["lower"], r["upper"])(r["observed"]),
          sentence("yes" if r["inside"] else "no")] for r in context.fit["replicates"]],
        folded=True,
    )  # fmt: skip
    passed = sum(row["status"] == "passed" for row in rows)
    return [
        Paragraph(sentence("checks.intro", passed=passed, count=len(rows))),
        Checks(rows),
        *context.figure("check", "checks.figure", replicates, prob=context.prob),
        *notes(context.fit["notes"], leave_out=GROUP_NOTES),
    ]


def priors(context: Context) -> list[Block]:
    """Each parameter: its meaning, its prior and its posterior."""
    parameters = context.fit["parameters"]
    prior = [r["prior"] or sentence("priors.derived") for r in parameters]
    posterior = [median_and_band(r) for r in parameters]
    sampling = [[f"{r['ess_bulk']:.0f}", f"{r['r_hat']:.3f}"] for r in parameters]
    rows = [
        [r["name"], r["meaning"], prior[i], *posterior[i], *sampling[i]]
        for i, r in enumerate(parameters)
    ]
    head = columns("quantity meaning prior median interval draws rhat", prob=context.prob)
    folded = Table(
        sentence("priors.figure_alt"),
        columns("quantity prior median interval", prob=context.prob),
        [[r["name"], prior[i], *posterior[i]] for i, r in enumerate(parameters)],
        folded=True,
    )
    expected = band(context.fit["check"]["prior_predictive"])
    return [
        Paragraph(sentence("priors.intro", prob=context.prob, interval=expected)),
        Table(sentence("priors.all"), head, rows),
        *context.figure("prior-posterior", "priors.figure", folded),
    ]


def data(context: Context) -> list[Block]:
    """The runs, and the token counts that labs do not disclose, as inferred."""
    blocks: list[Block] = []
    if context.fit["latent_tokens"]:
        rows = [
            [str(r["run"]), _counts(r["tokens_low"], r["tokens_high"]),
             *median_and_band(r, human)]
            for r in context.fit["latent_tokens"]
        ]  # fmt: skip
        head = columns("run assumed inferred_median inferred", prob=context.prob)
        table = Table(sentence("data.latent_figure_alt"), head, rows, folded=True)
        blocks.append(Paragraph(sentence("data.latent")))
        blocks += context.figure("latent-tokens", "data.latent_figure", table)
    keys = list(context.fit["table"][0])
    cells = [[_cell(key, row[key]) for key in keys] for row in context.fit["table"]]
    caption = sentence("data.all", count=context.fit["runs"]["count"])
    return [*blocks, Table(caption, keys, cells, folded=True)]


def _counts(lower: float, upper: float) -> str:
    return sentence("to", lower=human(lower), upper=human(upper))


def _cell(key: str, value: Any) -> str:
    if value is None:
        return sentence("data.undisclosed") if key == "tokens" else ""
    if isinstance(value, int | float) and key.startswith(("params", "tokens")):
        return human(value)
    return str(value)


def reproduce(report: Content) -> list[Block]:
    """The command, the settings, the versions and the hashes."""
    names = ("chains", "tune", "draws", "seed", "sampler")
    settings = [
        Paragraph(
            sentence(
                "reproduce.settings",
                spec=fit["spec"]["name"],
                **{name: fit["settings"][name] for name in names},
            )
        )
        for fit in report["fits"]
    ]
    versions = [[name, number] for name, number in report["reproduce"]["versions"].items()]
    hashes = [
        [fit["spec"]["name"], name, value]
        for fit in report["fits"]
        for name, value in fit["hashes"].items()
    ]
    return [
        Code(report["reproduce"]["command"]),
        *settings,
        Table(sentence("reproduce.versions"), columns("package version"), versions, folded=True),
        Table(sentence("reproduce.hashes"), columns("fit hashed sha"), hashes, folded=True),
        Paragraph(sentence("reproduce.json"), "small"),
    ]
