"""The command line: its commands, and how an error ends. Heavy imports stay inside commands."""

from __future__ import annotations

import errno
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from bayescale.base.errors import BayescaleError
from bayescale.base.interrupts import exit_on_interrupt
from bayescale.cli.benchmarks import benchmarks_app
from bayescale.cli.buy import design_command, next_command
from bayescale.cli.curve import curve_app
from bayescale.cli.data import data_app, models_command
from bayescale.cli.evaluate import backtest_command, compare_command, discriminate_command
from bayescale.cli.fit import fit_command
from bayescale.cli.log import log_command
from bayescale.cli.measure import measure_app, sweep_command
from bayescale.cli.plan import exhaust_command, plan_app
from bayescale.cli.predict import invert_command, predict_command
from bayescale.cli.printing import USER_ERROR
from bayescale.cli.prior import prior_command
from bayescale.cli.report import plot_command, report_command

app = typer.Typer(
    help="Bayesian scaling laws of language models: fit a table of runs, predict the next one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("models")(models_command)
app.add_typer(data_app, name="data")
app.command("prior")(prior_command)
app.command("fit")(fit_command)
app.command("predict")(predict_command)
app.command("invert")(invert_command)
app.command("compare")(compare_command)
app.command("discriminate")(discriminate_command)
app.command("backtest")(backtest_command)
app.command("plot")(plot_command)
app.command("report")(report_command)
app.command("log")(log_command)
app.add_typer(curve_app, name="curve")
app.add_typer(plan_app, name="plan")
app.command("design")(design_command)
app.command("next")(next_command)
app.command("exhaust")(exhaust_command)
app.add_typer(measure_app, name="measure")
app.command("sweep")(sweep_command)
app.add_typer(benchmarks_app, name="benchmarks")


def _print_version(wanted: bool) -> None:
    if wanted:
        from bayescale import __version__

        sys.stdout.write(f"bayescale {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's error is one line on standard error and exit code 2."""
    with exit_on_interrupt(), warnings.catch_warnings():
        _one_line_each()
        try:
            code = app(standalone_mode=False) or 0
        except BayescaleError as error:
            _fail(str(error))
        except typer.TyperException as error:  # unknown option, missing argument, wrong type
            _fail(error.format_message())
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            _fail(f"{str(error.filename)[:60]}...: too long for the name of a file; check the path")
    sys.exit(code)


def _fail(message: str) -> NoReturn:
    from bayescale.base.text import escaped

    line = escaped(" ".join(message.split()))
    if line:  # bare `bayescale` has printed its help
        sys.stderr.write(f"bayescale: error: {line}\n")
    sys.exit(USER_ERROR)


def _one_line_each() -> None:
    """Have Python's warnings of one text take one line, without the code that gave them."""
    shown: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        from bayescale.base.notes import Note
        from bayescale.base.output import print_notes

        text = " ".join(str(message).split())
        if text not in shown:
            shown.add(text)
            hint = "if numbers look wrong because of it, please report it"
            print_notes([Note(category.__name__, "warning", text, hint)])

    warnings.showwarning = show
