"""Forecasts: question and answer, the forecasts with their explorer, group effects."""

from __future__ import annotations

from bayescale.base.numbers import digits, percent, within
from bayescale.report.document import Block, Heading, Interactive, Key, Paragraph, Table
from bayescale.report.sections.asked import budget, reaching, where
from bayescale.report.sections.writing import (
    INTERVAL,
    Content,
    Context,
    band,
    estimate,
    median_and_band,
    note,
    notes,
    sizes,
    two_digits,
)
from bayescale.report.sentences import columns, joined, sentence

# These notes stand beside the group effects only.
GROUP_NOTES = ("single-run-group", "confounded-groups", "single-level-group")


def answer(context: Context) -> list[Block]:
    """The first point, the sources of its variance, and whether to trust it."""
    first, spec = context.fit["predictions"][0], context.fit["spec"]
    params, tokens = sizes(first)
    known = [str(first[g]) for g in context.groups if first.get(f"{g}_is") == "known"]
    by = (
        sentence("answer.by", groups=", ".join(known))
        if known
        else context.new_group("answer.by_new")
    )
    question = sentence(
        "answer.asked" if context.report["asked"] else "answer.question",
        run=first["run"],
        params=params,
        tokens=tokens,
        by=by,
        response=spec["response"],
    )
    intervals = [
        (sentence(f"answer.{name}", prob=context.prob), band(first[key]), spec["unit"])
        for name, key in (("run", "new_run"), ("curve", "curve"))
    ]
    median = (sentence("answer.median"), _median(first), spec["unit"])
    mixed, of_mixed = _mixed(context)
    shares = [
        sentence("answer.component", share=percent(first["variance_shares"][name]), meaning=meaning)
        for name, meaning in context.report["components"].items()
        if abs(first["variance_shares"][name]) >= 0.005
    ]
    key = [*mixed, median, *intervals]
    if "probability" in first:
        target = context.fit["inverse"][0]["target"]
        key.append(reaching(target, first["probability"], spec["better"]))
    return [
        Paragraph(question, "lead"),
        Key(key),
        *of_mixed,
        where(first),
        *_target(context),
        *budget(context),
        Heading(sentence("answer.grounds")),
        *_rivals(context),
        Paragraph(sentence("answer.components", shares=joined(shares))),
        *_history(context),
        Paragraph(_passed(context)),
    ]


def _mixed(context: Context) -> tuple[list[tuple[str, str, str]], list[Block]]:
    """The first point under all compared laws, mixed by weight: key numbers, and what they are."""
    law = context.report["law"]
    stack = law["stack"] if law and context.key == "f0" else None
    if stack is None:
        return [], []
    first, spec = stack["rows"][0], context.fit["spec"]
    median, interval = median_and_band({"median": first["median"], **first["new_run"]})
    shares = [f"{percent(share)} {name}" for name, share in stack["weights"].items()]
    items = [
        (sentence("answer.mixed_median"), median, spec["unit"]),
        (sentence("answer.mixed_run", prob=context.prob), interval, spec["unit"]),
    ]
    text = sentence("answer.mixed", shares=joined(shares), spec=spec["name"])
    return items, [Paragraph(text)]


def _rivals(context: Context) -> list[Block]:
    """A warning for each forecast whose median under another law lies outside its interval."""
    blocks: list[Block] = []
    for rival in _compared_forecasts(context):
        for row, rival_row in zip(context.fit["predictions"], rival["rows"], strict=True):
            if not row["new_run"]["lower"] <= rival_row["median"] <= row["new_run"]["upper"]:
                params, tokens = sizes(row)
                text = sentence(
                    "answer.rival",
                    run=row["run"],
                    params=params,
                    tokens=tokens,
                    own=_median_and_band(row),
                    model=rival["model"],
                    other=_median_and_band(rival_row),
                    weight=f"{rival['weight']:.2f}",
                )
                blocks.append(Paragraph(text, "warning"))
    return blocks


def _compared_forecasts(context: Context) -> list[Content]:
    """Forecasts of the same points under each compared law; they stand with the first fit."""
    law = context.report["law"]
    return law["forecasts"] if law and context.key == "f0" else []


def _history(context: Context) -> list[Block]:
    history = context.fit["history"]
    if history["refused"]:
        return [Paragraph(sentence("answer.unknown", why=history["refused"]))]
    held = sentence(
        "answer.held",
        prob=context.prob,
        held=round(history["pooled_coverage"]["90"] * history["predictions"]),
        predictions=history["predictions"],
        runs=history["runs"],
    )
    few = " " + sentence("answer.few") if history["runs"] < 20 else ""
    return [Paragraph(held + few), *notes(history["notes"])]


def _passed(context: Context) -> str:
    checks = context.fit["checks"]

    def names(key: str, status: str) -> str:
        listed = [row["name"] for row in checks if row["status"] == status]
        return sentence(f"answer.{key}", names=", ".join(listed)) if listed else ""

    return sentence(
        "answer.checks",
        passed=sum(row["status"] == "passed" for row in checks),
        count=len(checks),
        failed=names("failed", "failed"),
        look=names("look", "attention"),
        unknown=names("not_known", "unknown"),
    )


def _target(context: Context) -> list[Block]:
    answers = context.fit["inverse"]
    if not answers or (context.report["asked"] and context.fit["default_target"]):
        return []
    target, unit = digits(answers[0]["target"]), context.fit["spec"]["unit"]
    title = sentence("answer.target", target=f"{target} {unit}")
    text = sentence("answer.assumed", params=sizes(context.fit["predictions"][0])[0])
    if context.fit["default_target"]:
        better = context.fit["spec"]["better"]
        text = f"{sentence(f'answer.target_default.{better}', target=target)} {text}"
    rows = [_reaching(context, row) for row in answers]
    table = Table(title, columns("by prob params tokens flops"), rows)
    return [Heading(title), Paragraph(text, "small"), table]


def _reaching(context: Context, row: Content) -> list[str]:
    labels = ", ".join(map(str, row["groups"].values()))
    by = labels or context.new_group("answer.any_group") or sentence("answer.any_run")
    if row["flops"] is None:
        why = sentence("answer.unreachable", most=percent(row["most_probable"]))
        return [by, percent(row["prob"]), why, "", ""]
    return [by, percent(row["prob"]), *sizes(row), digits(row["flops"])]


def forecast(context: Context) -> list[Block]:
    """All points, the explorer, the curve, and the variance decomposition."""
    corpus = "corpus " if context.corpora else ""
    head = columns(f"run {corpus}params tokens flops")
    tail = columns("median curve new_run outside", prob=context.prob)
    table = Table(sentence("forecast.all"), [*head, *context.groups, *tail],
                  [_forecast(context, row) for row in context.fit["predictions"]])  # fmt: skip
    why = context.fit["explorer_refused"]
    explorer: Block = (
        Paragraph(sentence("forecast.refused", why=why))
        if why
        else Interactive("forecaster", context.key, sentence("forecast.fallback"))
    )
    along = Table(
        sentence("forecast.curve_alt"),
        columns(f"flops params tokens {corpus}median curve new_run", prob=context.prob),
        [[digits(r["flops"]), *sizes(r), *context.corpus_cell(r), _median(r),
          band(r["curve"]), band(r["new_run"])] for r in context.fit["curve"]],
        folded=True,
    )  # fmt: skip
    components = context.report["components"]
    shares = Table(
        sentence("forecast.variance_alt"),
        [*columns("run"), *components.values()],
        [[str(r["run"]), *(percent(r["variance_shares"][name]) for name in components)]
         for r in context.fit["predictions"]],
        folded=True,
    )  # fmt: skip
    group = context.new_group("forecast.curve_group")
    latent = sentence("forecast.latent") if context.fit["latent_tokens"] else ""
    warnings = [n for n in context.fit["prediction_notes"] if n["level"] == "warning"]
    return [
        table,
        Paragraph(sentence("answer.kinds", prob=context.prob), "small"),
        *notes(warnings),
        *_by_law(context),
        explorer,
        *context.figure(
            "curve", "forecast.curve", along, prob=context.prob, group=group, latent=latent
        ),
        *context.figure("variance", "forecast.variance", shares, prob=context.prob),
    ]


def _forecast(context: Context, row: Content) -> list[str]:
    groups = [
        sentence("forecast.new", group=row[g])
        if row[f"{g}_is"] == "new" and row[g] != "new"
        else str(row[g])
        for g in context.groups
    ]
    intervals = [band(row[kind]) for kind in ("curve", "new_run")]
    return [str(row["run"]), *context.corpus_cell(row), *sizes(row), digits(row["flops"]), *groups,
            _median(row), *intervals, f"{row['decades_outside']:.2f}"]  # fmt: skip


def _by_law(context: Context) -> list[Block]:
    """The points under each compared law, the first fit's among them."""
    models = _compared_forecasts(context)
    if not models:
        return []
    stack = context.report["law"]["stack"]
    mixed = sentence("forecast.rivals_mixed") if stack else ""
    text = sentence("forecast.rivals", prob=context.prob, mixed=mixed)
    head = [
        sentence("columns.weighed", model=model["model"], weight=f"{model['weight']:.2f}")
        for model in models
    ]
    if stack:
        models = [stack, *models]
        head = [sentence("columns.mixed"), *head]
    rows = [
        [str(row["run"]), *(_median_and_band(model["rows"][i]) for model in models)]
        for i, row in enumerate(context.fit["predictions"])
    ]
    return [Paragraph(text), Table(text, [*columns("run"), *head], rows)]


def _median_and_band(row: Content) -> str:
    return estimate({"median": row["median"], **row["new_run"]})


def _median(row: Content) -> str:
    """The median of a curve, as finely as its interval needs."""
    return within(row["curve"]["lower"], row["curve"]["upper"])(row["median"])


def families(context: Context) -> list[Block]:
    """The group effects, and notes on groups."""
    if not context.fit["effects"]:
        return []
    rows = []
    for name, effects in context.fit["effects"].items():
        for row in effects:
            labels = [str(value) for key, value in row.items() if key not in INTERVAL]
            rows.append([", ".join(labels), name, *median_and_band(row, two_digits)])
    head = columns("group effect median interval", prob=context.prob)
    table = Table(sentence("families.figure_alt"), head, rows, folded=True)
    of_level = all(name.startswith("level_") for name in context.fit["effects"])
    # Of the odds of a miss less is better, whatever the response.
    lower = context.fit["spec"]["better"] == "lower" or context.fit["law"]["of"] == "odds"
    side = sentence(f"families.{'lower' if lower else 'higher'}")
    return [
        *context.figure("effects", "families.figure", table, prob=context.prob,
                   better=side if of_level else ""),
        *(note(n) for n in context.fit["notes"] if n["code"] in GROUP_NOTES),
    ]  # fmt: skip
