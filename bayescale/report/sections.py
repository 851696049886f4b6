"""Sections: the content of a report, put into sentences and tables, in the order of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bayescale.numbers import digits, human, percent, plural
from bayescale.report.document import (
    Block,
    Checks,
    Code,
    Document,
    Figure,
    Heading,
    Interactive,
    Key,
    Paragraph,
    Section,
    Table,
)
from bayescale.report.sentences import say

Content = Mapping[str, Any]


def document(said: Content, drawn: set[str]) -> Document:
    """The report of a content; `drawn` are the figures that there are."""
    many = len(said["fits"]) > 1
    sections = []
    for i, fit in enumerate(said["fits"]):
        writer = _Writer(said, fit, f"f{i}", drawn)
        suffix = f": {fit['spec']['name']} on {fit['runs']['name']}" if many else ""
        for name, write in writer.parts(first=i == 0).items():
            title = say(f"sections.{name}") + suffix
            sections.append(Section(name if i == 0 else f"{name}-{i}", title, write()))
    sections.append(Section("reproduce", say("sections.reproduce"), _reproduce(said)))
    first = said["fits"][0]
    groups = [f"{n} {plural(group)}" for group, n in first["runs"]["groups"].items()]
    lead = say(
        "lead",
        count=first["runs"]["count"],
        runs=first["runs"]["name"],
        groups=", " + " and ".join(groups) if groups else "",
        low=human(first["runs"]["params"][0]),
        high=human(first["runs"]["params"][1]),
        spec=first["spec"]["name"],
        title=first["spec"]["title"][0].lower() + first["spec"]["title"][1:],
    )
    return Document(say("title"), say("kicker"), lead, _alerts(said), sections)


def _alerts(said: Content) -> list[str]:
    """What a reader must know before any number."""
    found = [
        say(
            "unconverged",
            spec=fit["spec"]["name"],
            runs=fit["runs"]["name"],
            why="; ".join(n["text"] for n in fit["notes"] if n["level"] == "failure"),
        )
        for fit in said["fits"]
        if not fit["convergence"]["passed"]
    ]
    if said["law"] and not said["law"].get("passed", True):
        found.append(say("refits_unconverged"))
    return found


def _band(row: Mapping[str, Any], count: int = 3) -> str:
    return f"{digits(row['lower'], count)} to {digits(row['upper'], count)}"


def _said(value: Any, write: Callable[[float], str] = digits) -> str:
    """A number, or a median with its interval; a dash for none."""
    if value is None:
        return say("no_number")
    if isinstance(value, Mapping):
        if "lower" not in value:
            return _said(value["median"], write)
        ends = " to ".join(_said(value[end], write) for end in ("lower", "upper"))
        return f"{_said(value['median'], write)} ({ends})"
    return write(value)


def _note(note: Mapping[str, Any]) -> Paragraph:
    tone = "small" if note["level"] == "info" else "warning"
    return Paragraph(f"{note['text']}; {note['mend']}. [{note['code']}]", tone)  # type: ignore[arg-type]


class _Writer:
    """Writes the sections of one fit."""

    def __init__(self, said: Content, fit: Content, key: str, drawn: set[str]) -> None:
        self.all, self.fit, self.key, self.drawn = said, fit, key, drawn
        self.prob = percent(said["prob"])
        self.groups = fit["spec"]["groups"]

    def parts(self, *, first: bool) -> dict[str, Callable[[], list[Block]]]:
        """The sections by name, in order; what is said of all fits goes with the first."""
        parts: dict[str, Callable[[], list[Block]]] = {
            "answer": self.answer,
            "forecast": self.forecast,
            "families": self.families,
            "law": lambda: self.law() + (self.compared() if first else []),
            "misses": self.misses,
            "plan": self.plan,
        }
        if first:
            parts["exhaustion"] = self.exhaustion
        return parts | {"checks": self.checks, "priors": self.priors, "data": self.data}

    def figure(self, kind: str, key: str, table: Table, **values: Any) -> list[Block]:
        """A figure with its table, or the table alone where there is no such figure."""
        source = kind if kind in self.drawn else f"{self.key}-{kind}"
        if source not in self.drawn:
            return []
        alt, _, plain = key.partition("|")
        return [Figure(source, say(alt), say(plain, **values), table)]

    def answer(self) -> list[Block]:
        first, spec = self.fit["predictions"][0], self.fit["spec"]
        size = {name: human(first[name]) for name in ("params", "tokens")}
        blocks: list[Block] = [
            Paragraph(say("answer.question", **size, run=first["run"]), "lead"),
            Key(
                [
                    (say("answer.median"), digits(first["median"]), spec["unit"]),
                    (say("answer.run", prob=self.prob), _band(first["new_run"]), spec["unit"]),
                    (say("answer.curve", prob=self.prob), _band(first["curve"]), spec["unit"]),
                ]
            ),
        ]
        shares = [
            say("answer.part", share=percent(first["parts"][name]), meaning=meaning)
            for name, meaning in self.all["parts"].items()
            if abs(first["parts"][name]) >= 0.005
        ]
        blocks.append(Paragraph(say("answer.parts", parts=", ".join(shares))))
        history = self.fit["history"]
        if history["refused"]:
            blocks.append(Paragraph(say("answer.unknown", why=history["refused"])))
        else:
            held = say(
                "answer.held",
                frontiers=len(history["frontiers"]),
                prob=self.prob,
                held=percent(history["pooled_coverage"]["90"]),
                predictions=history["predictions"],
                runs=history["runs"],
            )
            blocks.append(
                Paragraph(held + (" " + say("answer.few") if history["runs"] < 20 else ""))
            )
            blocks += [_note(note) for note in history["notes"]]
        if self.fit["inverse"]:
            target = digits(self.fit["inverse"][0]["target"])
            columns = ["by", "with probability", "parameters", "tokens", "FLOP"]
            blocks += [
                Heading(say("answer.target", target=target)),
                Table(say("answer.target", target=target), columns,
                      [self._inverse(row) for row in self.fit["inverse"]]),
            ]  # fmt: skip
        return blocks

    def _inverse(self, row: Mapping[str, Any]) -> list[str]:
        by = ", ".join(map(str, row["groups"].values()))
        named = by or ("a new group" if self.groups else "a run")
        if row["flops"] is None:
            why = say("answer.unreachable", most=percent(row["most_probable"]))
            return [named, percent(row["prob"]), why, "", ""]
        sizes = [human(row["params"]), human(row["tokens"]), digits(row["flops"])]
        return [named, percent(row["prob"]), *sizes]

    def forecast(self) -> list[Block]:
        corpora = self.fit["spec"]["corpora"]
        columns = ["run", *(["corpus"] if corpora else []), "parameters", "tokens", "FLOP"]
        columns += [*self.groups, "median", f"curve, {self.prob}", f"one new run, {self.prob}"]
        columns += ["decades outside"]
        rows = []
        for row in self.fit["predictions"]:
            groups = [
                f"{row[g]} (new)" if row[f"{g}_is"] == "new" and row[g] != "new" else str(row[g])
                for g in self.groups
                if g in row
            ]
            rows.append(
                [str(row["run"]), *([row["corpus"]] if corpora else []), human(row["params"]),
                 human(row["tokens"]), digits(row["flops"]), *groups, digits(row["median"]),
                 _band(row["curve"]), _band(row["new_run"]), f"{row['decades_outside']:.2f}"]
            )  # fmt: skip
        blocks: list[Block] = [Table(say("sections.forecast"), columns, rows)]
        blocks.append(Paragraph(say("answer.kinds", prob=self.prob), "small"))
        blocks += [_note(n) for n in self.fit["prediction_notes"] if n["level"] == "warning"]
        if self.fit["explorer_refused"]:
            blocks.append(Paragraph(say("forecast.refused", why=self.fit["explorer_refused"])))
        else:
            blocks.append(Interactive("forecaster", self.key, say("forecast.fallback")))
        group = f" of a new {self.groups[0]}" if self.groups else ""
        band = Table(
            say("forecast.curve_alt"),
            ["FLOP", "parameters", "tokens", *(["corpus"] if corpora else []), "median",
             f"curve, {self.prob}", f"one new run, {self.prob}"],
            [[digits(r["flops"]), human(r["params"]), human(r["tokens"]),
              *([r["corpus"]] if corpora else []), digits(r["median"]), _band(r["curve"]),
              _band(r["new_run"])] for r in self.fit["curve"]],
            folded=True,
        )  # fmt: skip
        hidden = say("forecast.hidden") if self.fit["hidden_tokens"] else ""
        blocks += self.figure("curve", "forecast.curve_alt|forecast.curve", band,
                              prob=self.prob, group=group, hidden=hidden)  # fmt: skip
        shares = Table(
            say("forecast.parts_alt"),
            ["run", *self.all["parts"].values()],
            [[str(r["run"]), *(percent(r["parts"][name]) for name in self.all["parts"])]
             for r in self.fit["predictions"]],
            folded=True,
        )  # fmt: skip
        return blocks + self.figure("parts", "forecast.parts_alt|forecast.parts", shares,
                                    prob=self.prob)  # fmt: skip

    def families(self) -> list[Block]:
        if not self.fit["effects"]:
            return [Paragraph(say("families.none"))]
        rows = []
        for name, effects in self.fit["effects"].items():
            for row in effects:
                labels = [str(v) for k, v in row.items() if k not in _NUMBERS]
                rows.append([", ".join(labels), name, digits(row["median"], 2), _band(row, 2)])
        columns = ["group", "effect", "median", f"{self.prob} interval"]
        table = Table(say("families.alt"), columns, rows, folded=True)
        notes = ("single-run-group", "confounded-groups", "single-level-group")
        return [
            *self.figure("effects", "families.alt|families.figure", table, prob=self.prob),
            *(_note(n) for n in self.fit["notes"] if n["code"] in notes),
        ]

    def law(self) -> list[Block]:
        law, spec, r = self.fit["law"], self.fit["spec"], self.fit["reference"]
        kind = "active" if spec["params"] == "active" else "total"
        text = say("law.equation", **{k: law[k] for k in ("title", "equation", "citation")})
        blocks: list[Block] = [
            Paragraph(f"{text} {say(f'law.{kind}')} {say('law.noise', noise=spec['noise'])}")
        ]
        if r:
            blocks.append(
                Paragraph(
                    say("law.reference", runs=r["runs"], slope=digits(r["slope"]),
                        error=digits(r["slope_error"], 2), decade=digits(r["slope_per_decade"]),
                        intercept=digits(r["intercept"]), r2=digits(r["r_squared"])), "small")
            )  # fmt: skip
        return blocks

    def compared(self) -> list[Block]:
        law = self.all["law"]
        if law is None:
            return [Paragraph(say("law.none"))]
        worst = max(refit["r_hat"] for refit in law["refits"]) if law["refits"] else 0.0
        blocks: list[Block] = [
            Paragraph(say("law.compared", by=law["by"], count=law["runs"]["count"],
                          runs=law["runs"]["name"], refits=len(law["refits"]),
                          rhat=f"{worst:.4f}")),
            Table(
                say("sections.law"),
                ["model", "elpd", "difference", "its standard error", "weight", "in the 50 %",
                 "in the 90 %", "CRPS", "interval score", "RMSE"],
                [[m["model"], f"{m['elpd']:.1f}", f"{m['elpd_diff']:.1f}", f"{m['dse']:.1f}",
                  f"{m['weight']:.2f}", percent(m["coverage_50"]), percent(m["coverage_90"]),
                  digits(m["crps"]), digits(m["interval_score"]), digits(m["rmse"])]
                 for m in law["models"]],
            ),
            *(_note(note) for note in law["notes"]),
        ]  # fmt: skip
        d = law["difference"]
        if d:
            names = ("params", "tokens", "difference")
            values = {name: _said(d[f"{name}_per_decade"]) for name in names}
            blocks.append(Paragraph(say("law.direct", **values)))
        weights = [[m["model"], f"{m['weight']:.2f}"] for m in law["models"]]
        overlay = Table(say("law.overlay_alt"), ["model", "weight"], weights, folded=True)
        blocks += self.figure("law-overlay", "law.overlay_alt|law.overlay", overlay, prob=self.prob)
        if law["parting"]:
            parting = law["parting"]
            best = parting["most_telling"]
            table = Table(
                say("law.parting_alt"),
                ["FLOP", "tokens per parameter", "parameters", "tokens", "difference",
                 f"{self.prob} interval", "in standard deviations of a run", "decades outside"],
                [[digits(r["flops"]), human(r["tokens_per_param"]), human(r["params"]),
                  human(r["tokens"]), digits(r["median"], 2), _band(r, 2),
                  f"{r['separation']:.1f}", f"{r['decades_outside']:.2f}"]
                 for r in parting["rows"]],
                folded=True,
            )  # fmt: skip
            blocks += self.figure("law-parting", "law.parting_alt|law.parting", table,
                                  one=parting["one"], other=parting["other"],
                                  prob=self.prob)  # fmt: skip
            blocks.append(
                Paragraph(
                    say("law.telling", params=human(best["params"]), tokens=human(best["tokens"]),
                        median=digits(best["median"], 2),
                        separation=f"{abs(best['separation']):.1f}")
                )
            )  # fmt: skip
        return blocks

    def misses(self) -> list[Block]:
        blocks: list[Block] = [
            Paragraph(say("misses.some" if self.fit["spec"]["discrepancy"] else "misses.none"))
        ]
        history, held = self.fit["history"], self.fit["held_back"]
        if history["refused"]:
            blocks.append(Paragraph(say("answer.unknown", why=history["refused"])))
        else:
            columns = ["fitted", "runs fitted", "runs predicted", "in the 50 %", "in the 80 %",
                       "in the 90 %", "width of the 90 %", "bias", "R-hat"]  # fmt: skip
            rows = [
                [row["name"], str(row["n_train"]), str(row["n_test"]),
                 *(percent(row["coverage"][level]) for level in ("50", "80", "90")),
                 f"{100 * row['width']:.1f} %", f"{100 * row['bias']:+.1f} %", f"{row['rhat']:.4f}"]
                for row in history["frontiers"]
            ]  # fmt: skip
            blocks += [Paragraph(say("misses.history")),
                       Table(say("sections.misses"), columns, rows)]  # fmt: skip
        if held:
            corpora = self.fit["spec"]["corpora"]
            columns = ["run", *(["corpus"] if corpora else []), "parameters", "tokens", "median",
                       f"one new run, {self.prob}", "reached", "inside"]  # fmt: skip
            rows = [
                [str(r["run"]), *([r["corpus"]] if corpora else []), human(r["params"]),
                 human(r["tokens"]), digits(r["median"]), _band(r), digits(r["observed"]),
                 "yes" if r["inside"] else "no"]
                for r in held["rows"]
            ]  # fmt: skip
            text = say("misses.held_back", runs=held["runs"])
            blocks += [Paragraph(text), Table(text, columns, rows)]
        return blocks

    def plan(self) -> list[Block]:
        plan = self.fit["decisions"]
        if plan is None:
            return [Paragraph(say("plan.none"))]
        blocks: list[Block] = [_note(note) for note in plan["notes"]]
        if plan["overheads"]:
            response = f"{self.fit['spec']['response']} of the curve"
            columns = ["FLOP", "parameters", "tokens", "tokens per parameter", response,
                       "sizes within 1 %"]  # fmt: skip
            rows = [
                [digits(r["flops"]), _said(r["params"], human), _said(r["tokens"], human),
                 _said(r["tokens_per_param"]), _said(r["loss"]),
                 f"{human(r['params_low']['median'])} to {human(r['params_high']['median'])}"]
                for r in plan["budgets"]
            ]  # fmt: skip
            flops = digits(plan["budgets"][1]["flops"])
            budgets = Table(say("plan.budgets"), columns, rows)
            blocks += [Heading(say("plan.budgets")), budgets]
            if len(plan["approaches"]) > 1:
                text = say("plan.approaches", flops=flops)
                rows = [[r["approach"], _said(r["a"]), _said(r["params"], human)]
                        for r in plan["approaches"]]  # fmt: skip
                blocks += [Paragraph(text), Table(text, ["approach", "a", "parameters"], rows)]
            folded = Table(say("plan.budget_alt"), budgets.columns, budgets.rows, folded=True)
            blocks += self.figure("budget", "plan.budget_alt|plan.budget", folded, flops=flops)
            sizes = Table(
                say("plan.overhead"),
                ["size over the optimal", "tokens over the optimal", "extra compute"],
                [[f"{r['size']:g}", _said(r["tokens_factor"]), _said(r["overhead"])]
                 for r in plan["overheads"]],
                folded=True,
            )  # fmt: skip
            blocks.append(Heading(say("plan.overhead")))
            blocks += self.figure("overhead", "plan.overhead_alt|plan.overhead_figure", sizes)
        blocks.append(Heading(say("plan.serve")))
        return blocks + self._serving(plan["serve"], human(plan["served"]))

    def _serving(self, s: Mapping[str, Any], served: str) -> list[Block]:
        if "error" in s:
            return [Paragraph(f"{s['error']}.")]
        asked = {"target": _said(s["target"]), "prob": self.prob, "served": served}
        if "splits" in s:
            rows = [
                [human(r["tokens_per_param"]), human(r["params"]), human(r["tokens"]),
                 digits(r["training"]), digits(r["serving"]), digits(r["total"])]
                for r in s["splits"]
            ]  # fmt: skip
            columns = ["tokens per parameter", "parameters", "tokens", "training, FLOP",
                       "serving, FLOP", "both"]  # fmt: skip
            text = say("plan.splits", **asked)
            return [Paragraph(text), Table(say("plan.serve"), columns, rows)]
        return [
            Paragraph(
                say("plan.cheapest", **asked, params=_said(s["params"], human),
                    tokens=_said(s["tokens"], human), total=_said(s["total"]),
                    saving=_said(s["saving"], percent), optimal=_said(s["optimal_params"], human))
            )
        ]  # fmt: skip

    def exhaustion(self) -> list[Block]:
        e = self.all["exhaustion"]

        def year(name: str) -> str:
            value = e["year"][name]
            return say("exhaustion.never") if value is None else f"{value:.1f}"

        text = say("exhaustion.answer", title=e["title"], prob=percent(e["prob"]),
                   **{name: year(name) for name in ("median", "lower", "upper")})  # fmt: skip
        rows = [
            [str(r["year"]), percent(r["probability"]), _said(r["demanded"], human),
             _said(r["available"], human)]
            for r in e["years"]
        ]  # fmt: skip
        table = Table(say("exhaustion.alt"),
                      ["year", "used up by its end", "tokens demanded", "tokens available"],
                      rows, folded=True)  # fmt: skip
        blocks: list[Block] = [Paragraph(text, "lead")]
        blocks.append(Interactive("exhaustion", "exhaustion", say("exhaustion.fallback")))
        blocks += self.figure("exhaustion", "exhaustion.alt|exhaustion.figure", table,
                              scenario=e["scenario"], prob=percent(e["prob"]))  # fmt: skip
        blocks += [_note(note) for note in e["notes"]]
        for law in e["laws"]:
            caption = say("exhaustion.law", **{k: law[k] for k in ("response", "law", "form")})
            columns = ["year", "all data new", "none repeated", "repeated",
                       "times the parameters to keep pace", "no number suffices"]  # fmt: skip
            rows = [
                [str(r["year"]), _said(r["unlimited"]), _said(r["unrepeated"]),
                 _said(r["repeated"]), _said(r["extra_params"]),
                 percent(r["no_parameters_suffice"])]
                for r in law["years"]
            ]  # fmt: skip
            blocks.append(Table(caption, columns, rows, folded=True))
        return [*blocks, Paragraph(say("exhaustion.source", source=e["source"]), "small")]

    def checks(self) -> list[Block]:
        rows = [{**row, "shown": say(f"checks.status.{row['status']}")}
                for row in self.fit["checks"]]  # fmt: skip
        blocks: list[Block] = [Paragraph(say("checks.intro")), Checks(rows)]
        predictive = Table(
            say("misses.check_alt"),
            ["run", "median", f"{self.prob} interval", "reached", "inside"],
            [[str(r["run"]), digits(r["median"]), _band(r), digits(r["observed"]),
              "yes" if r["inside"] else "no"] for r in self.fit["replicates"]],
            folded=True,
        )  # fmt: skip
        blocks += self.figure("check", "misses.check_alt|misses.check", predictive, prob=self.prob)
        return [*blocks, *(_note(note) for note in self.fit["notes"])]

    def priors(self) -> list[Block]:
        rows = [
            [r["name"], r["meaning"], r["prior"] or say("priors.derived"), digits(r["median"]),
             _band(r), f"{r['ess_bulk']:.0f}", f"{r['r_hat']:.3f}"]
            for r in self.fit["parameters"]
        ]  # fmt: skip
        columns = ["quantity", "meaning", "prior", "median", f"{self.prob} interval",
                   "effective draws", "R-hat"]  # fmt: skip
        expected = self.fit["check"]["prior_predictive"]
        width = [[r[0], r[2], r[3], r[4]] for r in rows]
        table = Table(say("priors.alt"), [columns[0], *columns[2:5]], width, folded=True)
        note = f"Before the data, {self.prob} of responses were expected in {_band(expected)}."
        return [
            Paragraph(f"{say('priors.intro')} {note}"),
            Table(say("sections.priors"), columns, rows),
            *self.figure("prior-posterior", "priors.alt|priors.figure", table),
        ]

    def data(self) -> list[Block]:
        blocks: list[Block] = []
        if self.fit["hidden_tokens"]:
            rows = [
                [str(r["run"]), f"{human(r['tokens_low'])} to {human(r['tokens_high'])}",
                 human(r["median"]), f"{human(r['lower'])} to {human(r['upper'])}"]
                for r in self.fit["hidden_tokens"]
            ]  # fmt: skip
            columns = ["run", "assumed, 90 %", "inferred median", f"inferred, {self.prob}"]
            table = Table(say("data.hidden_alt"), columns, rows, folded=True)
            blocks.append(Paragraph(say("data.hidden")))
            blocks += self.figure("hidden-tokens", "data.hidden_alt|data.hidden_figure", table)
        keys = list(self.fit["table"][0])
        rows = [[_cell(key, row[key]) for key in keys] for row in self.fit["table"]]
        caption = say("data.all", count=self.fit["runs"]["count"])
        return [*blocks, Table(caption, keys, rows, folded=True)]


_NUMBERS = ("mean", "median", "lower", "upper")


def _cell(key: str, value: Any) -> str:
    if value is None:
        return say("data.undisclosed") if key == "tokens" else ""
    if isinstance(value, int | float) and key.startswith(("params", "tokens")):
        return human(value)
    return str(value)


def _reproduce(said: Content) -> list[Block]:
    blocks: list[Block] = [Code(said["reproduce"]["command"])]
    for fit in said["fits"]:
        names = ("chains", "tune", "draws", "seed", "sampler")
        values = {name: fit["settings"][name] for name in names}
        blocks.append(Paragraph(say("reproduce.settings", spec=fit["spec"]["name"], **values)))
    versions = [[name, number] for name, number in said["reproduce"]["versions"].items()]
    rows = [
        [fit["spec"]["name"], name, value]
        for fit in said["fits"]
        for name, value in fit["hashes"].items()
    ]
    return [
        *blocks,
        Table(say("reproduce.versions"), ["package", "version"], versions, folded=True),
        Table(say("reproduce.hashes"), ["fit", "of", "SHA-256"], rows, folded=True),
        Paragraph(say("reproduce.json"), "small"),
    ]
