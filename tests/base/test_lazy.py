"""What another package imports and we do not use is not loaded, and works where it is used."""

import subprocess
import sys

SCRIPT = """
import sys
import bayescale.sampling.chains
assert "arviz_plots" not in sys.modules
theirs = sys.modules["nutpie.sample"].arviz
assert theirs.from_dict.__name__ == "from_dict"
import arviz
assert arviz.from_dict is theirs.from_dict
"""


def test_nutpie_does_not_load_arviz_until_it_is_used() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
