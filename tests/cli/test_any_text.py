"""Whatever stands in an option, the command ends with 0, 2 or 3 and never with a traceback."""

from __future__ import annotations

from pathlib import Path

from command_line import check
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = ("params", "params_active", "tokens", "flops", "tokens_per_param", "family", "run")
NUMBERS = (
    *("70B", "1e9", "15T", "1e300", "-1", "0", "nan", "inf", "1e-300", "1e9:1e10:3", "1e9:1e10:²"),
    *("1e9:1e12:100000", "9" * 400, "1_0", ".5", "1e", "٣e9", "Llama-3", "0.9", "0.4", "1e24"),
)
# What a command line can hold: no NUL; what is not UTF-8 comes as surrogates.
LETTER = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.text(LETTER | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=30)
NUMBER = st.sampled_from(NUMBERS) | TEXT
ITEM = st.builds("{}={}".format, st.sampled_from(NAMES), st.sampled_from(NUMBERS)) | TEXT
POINT = st.lists(ITEM, max_size=4).map(",".join)


@given(point=POINT)
@settings(deadline=None, max_examples=25)
def test_points(fitted_dir: Path, point: str) -> None:
    check("predict", fitted_dir, "--at", point)


@given(number=NUMBER, option=st.sampled_from(["--target", "--prob", "--kind", "--points"]))
@settings(deadline=None, max_examples=20)
def test_options_of_predict(fitted_dir: Path, number: str, option: str) -> None:
    at = () if option == "--points" else ("--at", "params=7e9,tokens=2e12,family=Llama-3")
    check("predict", fitted_dir, *at, option, number)


@given(
    number=NUMBER,
    option=st.sampled_from(
        ["--target", "--params", "--tokens", "--tokens-per-param", "--prob", "--group", "--corpus"]
    ),
)
@settings(deadline=None, max_examples=20)
def test_options_of_invert(fitted_dir: Path, number: str, option: str) -> None:
    target = () if option == "--target" else ("--target", "0.4")
    check("invert", fitted_dir, *target, option, number)


@given(
    number=NUMBER,
    command=st.sampled_from(
        [
            ("optimum", "--flops"),
            ("overhead", "--size"),
            ("serve", "--target"),
            ("serve", "--as-good-as"),
            ("serve", "--target", "2", "--prompt"),
            ("serve", "--target", "2", "--generated"),
            ("serve", "--target", "2", "--max-tokens"),
            ("serve", "--target", "2", "--prices"),
        ]
    ),
)
@settings(deadline=None, max_examples=25)
def test_options_of_plans(number: str, command: tuple[str, ...]) -> None:
    what, *options = command
    check("plan", what, "--published", "devries-2023", *options, number)


@given(
    number=NUMBER.filter(lambda text: not text.strip().isdecimal()),
    option=st.sampled_from(["--draws", "--tune", "--chains", "--seed", "--sampler"]),
)
@settings(deadline=None, max_examples=25)
def test_settings_of_a_fit(number: str, option: str) -> None:
    check("fit", "no-such-spec", option, number)
    check("plot", number, "nowhere", "--out", "a.svg")
