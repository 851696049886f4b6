// The scenario of data exhaustion, recomputed from its draws.
const exhaustion = (host, scenario) => {
  const d = unpacked(scenario.draws);
  const initial = Object.fromEntries(scenario.inputs.map(({ name, value }) => [name, value]));
  const now = { ...initial };
  const tail = (1 - scenario.prob) / 2;
  const answer = el("strong"), never = el("span", { className: "small" });
  answer.dataset.answer = "year";
  const figure = el("div", { className: "chart" });
  let plot;
  // A log-normal quantity is multiplied, a growth is shifted. Optimal tokens grow as the square
  // root of compute.
  const shifts = () => ({
    stock: Math.log10(now.stock / initial.stock),
    quality: now.quality / initial.quality,
    datasets: now.datasets - initial.datasets,
    compute: (now.compute - initial.compute) / 2,
  });
  const exhausted = () => {
    const shift = shifts();
    return Float64Array.from(d.stock, (stock, i) => {
      const trend = d.share[i] < now.share;
      const from = trend ? scenario.years.datasets : scenario.years.compute;
      const level = trend ? d.datasets[i] : d.optimal[i];
      const growth = trend ? d.datasets_growth[i] + shift.datasets : d.optimal_growth[i] + shift.compute;
      const usable = stock + shift.stock + Math.log10(Math.min(1, d.quality[i] * shift.quality));
      const gap = usable + d.stock_growth[i] * (from - scenario.years.stock) - level;
      const faster = growth - d.stock_growth[i];
      return faster > 0 ? from + gap / faster : gap <= 0 ? from : Infinity;
    }).sort();
  };
  const year = (v) => Number.isFinite(v) ? v.toFixed(1) : sentence("never");
  const draw = () => {
    const years = exhausted();
    const share = (condition) => years.filter(condition).length / years.length;
    const [median, lower, upper] = [0.5, tail, 1 - tail].map((p) => year(quantile(years, p)));
    answer.textContent = sentence("year", { median, lower, upper });
    never.textContent = sentence("never_share", { share: (100 * share((v) => v === Infinity)).toFixed(1) });
    const values = [scenario.calendar, scenario.calendar.map((year) => share((v) => v < year + 1))];
    if (plot) return plot.setData(values);
    plot = chart(figure, sentence("exhaustion_chart"), {
      scales: { x: { time: false }, y: { range: [0, 1] } },
      axes: [
        { label: sentence("by_end"), values: (_, ticks) => ticks.map((v) => Number.isInteger(v) ? v : "") },
        { label: sentence("probability"), size: 60 },
      ],
      series: [{}, { stroke: accent, width: 2 }],
    }, values);
  };
  const nodes = scenario.inputs.map((input) => {
    const changed = (value) => { now[input.name] = value; draw(); };
    if (input.step) return sliding(input, changed);
    return sized(input.title, input.value, input.low, input.high, changed).node;
  });
  host.replaceChildren(
    el("h3", { textContent: sentence("scenario") }),
    el("div", { className: "fields" }, ...nodes),
    el("p", { className: "lead" }, sentence("used_up", { prob: percent(scenario.prob) }), answer, never),
    figure);
  draw();
};
