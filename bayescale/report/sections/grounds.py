"""Grounds: checks, priors, data, and how to do it again."""

from __future__ import annotations

from typing import Any

from bayescale.base.numbers import digits, human
from bayescale.report.document import Block, Checks, Code, Paragraph, Table
from bayescale.report.sections.forecasts import GROUP_NOTES
from bayescale.report.sections.writing import Content, Subject, band, notes
from bayescale.report.sentences import columns, say


def checks(of: Subject) -> list[Block]:
    """Every check with its status; the posterior predictive one drawn."""
    rows = [{**row, "shown": say(f"checks.status.{row['status']}")} for row in of.fit["checks"]]
    replicates = Table(
        say("misses.check_alt"),
        columns("run median interval reached inside", prob=of.prob),
        [[str(r["run"]), digits(r["median"]), band(r), digits(r["observed"]),
          say("yes" if r["inside"] else "no")] for r in of.fit["replicates"]],
        folded=True,
    )  # fmt: skip
    passed = sum(row["status"] == "passed" for row in rows)
    return [
        Paragraph(say("checks.intro", passed=passed, count=len(rows))),
        Checks(rows),
        *of.figure("check", "misses.check", replicates, prob=of.prob),
        *notes(of.fit["notes"], leave_out=GROUP_NOTES),
    ]


def priors(of: Subject) -> list[Block]:
    """Each quantity: what it means, what was assumed, what is known."""
    parameters = of.fit["parameters"]
    prior = [r["prior"] or say("priors.derived") for r in parameters]
    known = [[digits(r["median"]), band(r)] for r in parameters]
    rows = [
        [r["name"], r["meaning"], prior[i], *known[i], f"{r['ess_bulk']:.0f}", f"{r['r_hat']:.3f}"]
        for i, r in enumerate(parameters)
    ]
    head = columns("quantity meaning prior median interval draws rhat", prob=of.prob)
    folded = Table(
        say("priors.figure_alt"),
        columns("quantity prior median interval", prob=of.prob),
        [[r["name"], prior[i], *known[i]] for i, r in enumerate(parameters)],
        folded=True,
    )
    expected = band(of.fit["check"]["prior_predictive"])
    return [
        Paragraph(say("priors.intro", prob=of.prob, interval=expected)),
        Table(say("priors.all"), head, rows),
        *of.figure("prior-posterior", "priors.figure", folded),
    ]


def data(of: Subject) -> list[Block]:
    """The runs, and what the fit infers of token counts that labs do not disclose."""
    blocks: list[Block] = []
    if of.fit["latent_tokens"]:
        rows = [
            [str(r["run"]), say("to", lower=human(r["tokens_low"]), upper=human(r["tokens_high"])),
             human(r["median"]), say("to", lower=human(r["lower"]), upper=human(r["upper"]))]
            for r in of.fit["latent_tokens"]
        ]  # fmt: skip
        head = columns("run assumed inferred_median inferred", prob=of.prob)
        table = Table(say("data.latent_figure_alt"), head, rows, folded=True)
        blocks.append(Paragraph(say("data.latent")))
        blocks += of.figure("latent-tokens", "data.latent_figure", table)
    keys = list(of.fit["table"][0])
    cells = [[_cell(key, row[key]) for key in keys] for row in of.fit["table"]]
    caption = say("data.all", count=of.fit["runs"]["count"])
    return [*blocks, Table(caption, keys, cells, folded=True)]


def _cell(key: str, value: Any) -> str:
    if value is None:
        return say("data.undisclosed") if key == "tokens" else ""
    if isinstance(value, int | float) and key.startswith(("params", "tokens")):
        return human(value)
    return str(value)


def reproduce(said: Content) -> list[Block]:
    """The command, the settings, the versions and the hashes."""
    names = ("chains", "tune", "draws", "seed", "sampler")
    settings = [
        Paragraph(
            say(
                "reproduce.settings",
                spec=fit["spec"]["name"],
                **{name: fit["settings"][name] for name in names},
            )
        )
        for fit in said["fits"]
    ]
    versions = [[name, number] for name, number in said["reproduce"]["versions"].items()]
    hashes = [
        [fit["spec"]["name"], name, value]
        for fit in said["fits"]
        for name, value in fit["hashes"].items()
    ]
    return [
        Code(said["reproduce"]["command"]),
        *settings,
        Table(say("reproduce.versions"), columns("package version"), versions, folded=True),
        Table(say("reproduce.hashes"), columns("fit of sha"), hashes, folded=True),
        Paragraph(say("reproduce.json"), "small"),
    ]
