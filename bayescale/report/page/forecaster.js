// The forecaster of a fit. Its numbers come from embedded posterior draws and are those of
// `bayescale predict`: the same draws, quantiles and digits.
const forecaster = (host, fit) => {
  const all = unpacked(fit.draws), law = CURVES[host.dataset.source];
  const tail = (1 - fit.prob) / 2;
  const menus = {};
  let plot, mark = 0, waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };

  const params = sized(sentence("params"), fit.start.params, 1e7, 1e14, later);
  const tokens = sized(sentence("tokens"), fit.start.tokens, 1e9, 1e16, later);
  // Other inputs of the law: a log slider, or one over the range of the runs.
  const others = fit.inputs.map((input) => {
    if (input.scale === "log") return { ...input, box: sized(input.title, input.value, input.low, input.high, later) };
    const box = { value: input.value };
    box.node = sliding({ ...input, step: (input.high - input.low) / 1000 }, (v) => { box.value = v; later(); });
    return { ...input, box };
  });
  const scaled = (input) => {
    const v = input.box.value;
    return input.scale === "log" ? Math.log(v) : input.scale === "logit" ? Math.log(v / (1 - v)) : v;
  };
  const target = textbox(String(fit.target));
  target.addEventListener("input", later);
  const [leading] = Object.keys(fit.groups);
  for (const [group, labels] of Object.entries(fit.groups)) {
    const menu = menus[group] = el("select");
    labels.forEach((label, i) => menu.append(el("option", { value: String(i), textContent: i === labels.length - 1 ? sentence("any_group", { group }) : label })));
    const start = labels.indexOf(fit.start[group]);
    menu.selectedIndex = start < 0 ? labels.length - 1 : start;
    menu.addEventListener("change", () => {
      if (group === leading) chooseImplied(fit.implied[group]?.[labels[menu.selectedIndex]] ?? {});
      later();
    });
  }
  // A family implies its tokenizer, where all its runs have the same.
  const chooseImplied = (implied) => {
    for (const [group, labels] of Object.entries(fit.groups))
      if (group !== leading) menus[group].selectedIndex = implied[group] === undefined ? labels.length - 1 : labels.indexOf(implied[group]);
  };

  const named = (name) => [name, sentence(name, { prob: percent(fit.prob) })];
  const { node: out, answers } = answering(Object.fromEntries(["median", "run", "curve", "reach"].map(named)));
  const note = el("p", { className: "small" }), figure = el("div", { className: "chart" });
  const draws = sentence(fit.step === 1 ? "all_draws" : "some_draws", { total: fit.total, step: fit.step });
  host.replaceChildren(
    el("h3", { textContent: sentence("title") }),
    el("div", { className: "fields" }, params.node, tokens.node, ...others.map((input) => input.box.node),
      ...Object.entries(menus).map(([group, menu]) => field(group[0].toUpperCase() + group.slice(1), menu)),
      field(sentence("target", { unit: fit.unit }), target)),
    out, note, figure,
    el("p", { className: "small", textContent: sentence("legend", { prob: percent(fit.prob), draws }) }));

  const chosen = () => {
    const d = { ...all };
    for (const [name, group] of Object.entries(fit.effects)) d[name] = all[`${name}:${menus[group].selectedIndex}`];
    return d;
  };
  const logs = (n, t) => ({
    params: Math.log(n / fit.centre.params), tokens: Math.log(t / fit.centre.tokens),
    ...Object.fromEntries(others.map((input) => [input.name, scaled(input) - Math.log(fit.centre[input.name])])),
  });
  // A response with noise added on its scale, as `model/scale.py` has it.
  const added = {
    response: (y, noise) => y + noise,
    log: (y, noise) => y * Math.exp(noise),
    logit: (y, noise) => {
      const [low, high] = fit.bounds, edge = fit.edge;
      const share = Math.min(Math.max((y - low) / (high - low), edge), 1 - edge);
      return low + (high - low) / (1 + (1 - share) / share * Math.exp(-noise));
    },
  };
  // Sorted draws of the curve and of one new run at a size, of every k-th draw.
  const at = (d, n, t, step = 1) => {
    const x = logs(n, t), count = Math.ceil(fit.count / step);
    const curve = new Float64Array(count), run = new Float64Array(count);
    for (let j = 0, i = 0; i < fit.count; j++, i += step) {
      curve[j] = law(d, i, x);
      run[j] = added[fit.noise_on](curve[j], d.noise[i]);
    }
    return { curve: curve.sort(), run: run.sort() };
  };
  const interval = (sorted) => sentence("to", { lower: digits(quantile(sorted, tail)), upper: digits(quantile(sorted, 1 - tail)) });

  function draw() {
    const d = chosen(), here = at(d, params.value, tokens.value);
    answers.median.textContent = digits(quantile(here.run, 0.5));
    answers.run.textContent = interval(here.run);
    answers.curve.textContent = interval(here.curve);
    const goal = number(target.value);
    invalid(target, Number.isNaN(goal));
    const reaches = fit.better === "higher" ? (y) => y >= goal : (y) => y <= goal;
    const share = here.run.filter(reaches).length / here.run.length;
    answers.reach.textContent = Number.isNaN(goal) ? "–" : digits(share);
    const { params: x, tokens: y } = logs(params.value, tokens.value);
    const beyond = others.map((input) => Math.max(input.seen[0] - scaled(input), scaled(input) - input.seen[1]) / input.decade);
    const off = Math.max(outside(fit.hull, [x / Math.LN10, y / Math.LN10]), ...beyond), far = off < 1e-9 ? 0 : off;
    note.textContent = far > 0 ? sentence("outside", { decades: far.toFixed(2) }) : sentence("inside");
    note.classList.toggle("warning", far > 0);
    redraw(d);
  }
  const redraw = (d) => {
    const flops = 6 * params.value * tokens.value, ratio = tokens.value / params.value;
    const low = Math.min(flops, fit.runs[0][0]) / 2, high = Math.max(flops, fit.runs.at(-1)[0]) * 3;
    const grid = Array.from({ length: 33 }, (_, i) => [low * (high / low) ** (i / 32), null]);
    const points = [...grid, ...fit.runs].sort((a, b) => a[0] - b[0]);
    const step = Math.max(1, Math.floor(fit.count / 500));
    const rows = points.map(([c]) => {
      const { curve, run } = at(d, Math.sqrt(c / 6 / ratio), Math.sqrt(c / 6 * ratio), step);
      return [quantile(run, 1 - tail), quantile(run, tail), quantile(curve, 1 - tail), quantile(curve, tail), quantile(curve, 0.5)];
    });
    const values = [points.map((p) => p[0]), ...[0, 1, 2, 3, 4].map((i) => rows.map((r) => r[i])), points.map((p) => p[1])];
    mark = flops;
    if (plot) return plot.setData(values);
    plot = chart(figure, sentence("chart", { response: fit.response }), {
      scales: { x: logScale, y: {} },
      axes: [
        computeAxis(),
        { label: sentence("response", { response: fit.response, unit: fit.unit }), size: 60 },
      ],
      series: [{}, edge, edge, edge, edge, { stroke: accent, width: 2, points: { show: false } }, dots],
      bands: [{ series: [1, 2], fill: () => accent() + "26" }, { series: [3, 4], fill: () => accent() + "59" }],
      hooks: { draw: [(u) => dashed(u, mark)] },
    }, values);
  };
  draw();
};
