"""Sweep: train every run of a plan, one row each; killed anywhere, it goes on where it was.

plan.json          the plan that the folder was begun with
runs.csv           a row for each finished run
text/VOCABULARY/   tokenizer, tokens to train on, documents held out
progress/RUN.pt    last checkpoint of the run in progress
models/RUN/        trained models, if the plan keeps them
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayescale.base.claim import claim
from bayescale.base.errors import BayescaleError
from bayescale.base.output import write_json
from bayescale.base.progress import SweepProgress
from bayescale.measure.bpc import Bpc, measure_bpc
from bayescale.measure.causal import CausalModel
from bayescale.measure.corpus import Corpus, prepare
from bayescale.measure.need import need
from bayescale.measure.rows import append_row, has_run
from bayescale.measure.sweep_plan import PlannedRun, SweepPlan
from bayescale.measure.train import step_flops, train, unique_sequences


def sweep(plan: SweepPlan, out: Path, *, progress: bool = False) -> list[str]:
    """Train what of the plan has no row yet.

    Parameters
    ----------
    plan : SweepPlan
    out : Path
        A new folder, or one that this plan began.
    progress : bool, optional
        Show a bar on a terminal.

    Returns
    -------
    list of str
        Runs that were trained now; the others had rows.

    Raises
    ------
    BayescaleError
        If the extra is missing, the folder is another plan's, the text is missing or too short,
        a run diverges, or a file cannot be read or written.
    """
    for module in ("tokenizers", "transformers"):  # before the text is read
        need(module)
    device = "cuda" if need("torch").cuda.is_available() else "cpu"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with claim(out), _threads(plan.threads):
            _begin(plan, out)
            return _run(plan, out, device, progress=progress)
    except OSError as error:
        raise BayescaleError(
            f"{error.filename or out}: {error.strerror or error}; correct that, and the same "
            "command goes on where it was"
        ) from error


def _run(plan: SweepPlan, out: Path, device: str, *, progress: bool) -> list[str]:
    table, drafts = out / "runs.csv", out / "progress"
    drafts.mkdir(exist_ok=True)
    runs = plan.runs()
    missing = [run for run in runs if not has_run(table, run.name)]
    with SweepProgress(runs, enabled=progress) as bar:
        used = dict.fromkeys(run.vocabulary for run in missing)
        made = {vocabulary: _corpus(plan, out, vocabulary) for vocabulary in used}
        for run in missing:  # all of them before hours go into the first
            unique_sequences(run, plan, made[run.vocabulary])
        bar.begin(sum(run.params * run.tokens for run in runs if run not in missing))
        for run in missing:
            corpus, checkpoint = made[run.vocabulary], drafts / f"{run.name}.pt"
            model = train(
                run,
                plan,
                corpus,
                checkpoint=checkpoint,
                device=device,
                advance=bar.follow(run),
            )
            causal = _causal(run, plan, corpus, model, device)
            measured = measure_bpc(
                causal,
                [corpus.held_out],
                window=plan.sequence,
                stride=plan.sequence // 2,
                batch=plan.batch,
            )
            if plan.keep_models:
                _keep(causal, out / "models" / run.name)
            append_row(table, _row(run, plan, corpus, measured))
            checkpoint.unlink()
    for run in runs:  # a kill between a row and the end of its checkpoint
        (drafts / f"{run.name}.pt").unlink(missing_ok=True)
    return [run.name for run in missing]


def _begin(plan: SweepPlan, out: Path) -> None:
    """Note the plan in a new folder; refuse a folder of another."""
    path, content = out / "plan.json", plan.model_dump(mode="json")
    if path.is_file():
        try:
            begun = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise BayescaleError(f"{path}: not a readable plan; name another folder") from error
        if begun != content:
            entries = begun if isinstance(begun, dict) else {}
            changed = [key for key in content if entries.get(key) != content[key]]
            raise BayescaleError(
                f"{out}: begun with another plan: {', '.join(changed)} changed; undo the change, "
                "or name another folder"
            )
        return
    if not all(file.name.startswith(".plan.json.") for file in out.iterdir()):  # a killed draft
        raise BayescaleError(f"{out}: not empty and not a sweep; name another folder")
    write_json(path, content)


def _corpus(plan: SweepPlan, out: Path, vocabulary: int) -> Corpus:
    return prepare(
        out / "text" / str(vocabulary),
        plan.text,
        vocabulary,
        held_out=plan.held_out,
        held_out_characters=plan.held_out_characters,
        seed=plan.seed,
    )


def _causal(
    run: PlannedRun, plan: SweepPlan, corpus: Corpus, model: Any, device: str
) -> CausalModel:
    return CausalModel(
        name=run.name,
        model=model.eval(),
        tokenizer=corpus.tokenizer,
        prefix=corpus.end,
        context=plan.sequence,
        params=run.params,
        params_active=run.params,
        identity=run.name,
        device=device,
        dtype="float32",
    )


def _keep(causal: CausalModel, folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    transformers = need("transformers")
    shown = transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()  # its own, beside ours
    causal.model.save_pretrained(draft)
    if shown:
        transformers.logging.enable_progress_bar()
    causal.tokenizer.save_pretrained(draft)
    shutil.rmtree(folder, ignore_errors=True)  # kept, but killed before its row
    draft.rename(folder)


def _row(run: PlannedRun, plan: SweepPlan, corpus: Corpus, measured: Bpc) -> dict[str, object]:
    """What `fit` needs, then what was measured."""
    flops = step_flops(run, plan) * run.steps
    return {
        "run": run.name,
        "family": plan.name,
        "tokenizer": f"bpe-{run.vocabulary}",
        "params": run.params,
        "tokens": run.tokens,
        "unique_tokens": unique_sequences(run, plan, corpus) * plan.sequence,
        "epochs": run.epochs,
        "flops": flops,
        "flops_6nd": 6 * run.params * run.tokens,
        "loss": measured.loss,
        "bpc": measured.bpc,
        "bpb": measured.bpb,
        "bpc_se": measured.bpc_se,
        "layers": run.size.layers,
        "width": run.size.width,
        "learning_rate": run.size.learning_rate,
        "seed": plan.seed,
        "device": measured.device,
    }


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use so many of the CPU."""
    torch = need("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
