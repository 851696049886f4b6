"""Values of each law's sampled parameters from which tests simulate runs."""

TRUTH = {
    "compute-only": {"level": 0.45, "slope": -0.03},
    "separate-slopes": {"level": 0.45, "slope_params": -0.03, "slope_tokens": -0.02},
    "compute-floor": {"level": 2.6, "reducible": 0.35, "gamma": 0.17},
    "kaplan": {"level": 2.6, "split": 0.4, "alpha_N": 0.08, "alpha_D": 0.1},
    "chinchilla": {"level": 2.6, "reducible": 0.3, "split": 0.5, "alpha": 0.35, "beta": 0.37},
    "data-constrained": {
        "level": 2.6,
        "reducible": 0.3,
        "split": 0.4,
        "alpha": 0.35,
        "beta": 0.37,
        "R_D": 15.0,
        "R_N": 5.0,
    },
}
