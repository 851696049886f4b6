"""The posterior of the compute-optimal exponent beside a published value."""

from matplotlib.figure import Figure

import bayescale as bs

fit = bs.Fit.load("fits/chinchilla")
figure = Figure(figsize=(6, 3), layout="constrained")
axis = figure.subplots()
axis.hist(fit.posterior["a"].to_numpy().ravel(), bins=60, density=True, color="#7fa8c9")
axis.axvline(0.513, color="black", label="Besiroglu et al. 2024")
axis.set(xlabel="a, where N grows as C^a", yticks=[])
axis.legend()
bs.figures.save(figure, "exponent.svg")
