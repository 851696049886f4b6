// The menu of benchmarks. Its curves are quantiles that `bayescale benchmarks predict` gives on a
// grid of compute; between its points they are interpolated over ln C.
const benchmarks = (host, fit) => {
  const grid = fit.flops, low = grid[0], high = grid.at(-1);
  const all = fit.benchmarks.map((each) => ({ ...each, ...unpacked({ lower: each.lower, median: each.median, upper: each.upper }) }));
  let plot, mark = fit.start;

  const menu = el("select");
  all.forEach(({ title }, i) => menu.append(el("option", { value: String(i), textContent: title })));
  menu.addEventListener("change", () => draw());
  const compute = sized(sentence("flops"), fit.start, low, high, () => draw());
  const { node: out, answers } = answering({
    score: sentence("score_median"),
    score_run: sentence("score_run", { prob: percent(fit.prob) }),
  });
  const note = el("p", { className: "small" }), figure = el("div", { className: "chart" });
  host.replaceChildren(
    el("h3", { textContent: sentence("title") }),
    el("div", { className: "fields" }, field(sentence("benchmark"), menu), compute.node),
    out, note, figure,
    el("p", { className: "small", textContent: fit.legend }));

  const at = (values, flops) => {
    const i = grid.findIndex((v) => v >= flops);
    if (grid[i] === flops) return values[i];
    const part = Math.log(flops / grid[i - 1]) / Math.log(grid[i] / grid[i - 1]);
    return values[i - 1] + (values[i] - values[i - 1]) * part;
  };
  const said = (flops) => {
    const params = Math.sqrt(flops / 6 / fit.ratio), decades = Math.log10(flops / fit.most);
    const sizes = sentence("score_sizes", { params: human(params), tokens: human(params * fit.ratio) });
    const where = decades > 1e-9 ? sentence("outside", { decades: decades.toFixed(2) }) : sentence("inside");
    return [sizes, where, ...grid.includes(flops) ? [] : [sentence("score_between")]].join(" ");
  };

  function draw() {
    const { lower, median, upper } = all[menu.selectedIndex], flops = compute.value;
    const known = low <= flops && flops <= high;
    answers.score.textContent = known ? share(at(median, flops)) : "–";
    answers.score_run.textContent = known ? sentence("to", { lower: share(at(lower, flops)), upper: share(at(upper, flops)) }) : "–";
    note.textContent = known ? said(flops) : sentence("score_ends", { low: human(low), high: human(high) });
    note.classList.toggle("warning", !known || flops > fit.most * (1 + 1e-9));
    mark = known ? flops : null;
    redraw();
  }
  const redraw = () => {
    const { title, chance, lower, median, upper, models } = all[menu.selectedIndex];
    const points = [...grid.map((c) => [c, null, false]), ...models].sort((a, b) => a[0] - b[0]);
    const x = points.map(([c]) => c);
    const along = (values) => x.map((c) => at(values, c));
    const scores = (which) => points.map(([, score, tuned]) => tuned === which ? score : null);
    const values = [x, along(upper), along(lower), along(median), x.map(() => chance || null), scores(false), scores(true)];
    const name = sentence("score_chart", { benchmark: title });
    figure.setAttribute("aria-label", name);
    if (plot) return plot.setData(values);
    plot = chart(figure, name, {
      scales: { x: logScale, y: { range: [0, 1] } },
      axes: [computeAxis(), { label: sentence("score"), size: 60 }],
      series: [{}, smooth(edge), smooth(edge),
        smooth({ stroke: accent, width: 2, points: { show: false } }),
        { stroke: () => colour("--quiet"), width: 1, dash: [2, 4], points: { show: false } },
        dots, { ...dots, points: { ...dots.points, fill: () => colour("--shade") } }],
      bands: [{ series: [1, 2], fill: () => accent() + "33" }],
      hooks: { drawClear: [shadeBeyond], draw: [(u) => mark && dashed(u, mark)] },
    }, values);
  };
  const smooth = (series) => ({ ...series, pxAlign: 0 }); // so many points would make steps
  // The ground where there is no model.
  const shadeBeyond = (u) => {
    const { left, top, width, height } = u.bbox, x = u.valToPos(fit.most, "x", true);
    u.ctx.save();
    u.ctx.fillStyle = colour("--line");
    u.ctx.fillRect(x, top, left + width - x, height);
    u.ctx.restore();
  };
  draw();
};
