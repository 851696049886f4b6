"use strict";
// The page's two explorers. Numbers come from embedded posterior draws and are those of
// `bayescale predict`: the same draws, quantiles and digits. Sentences come from `sentences.toml`.
(() => {
  const data = (name) => JSON.parse(document.getElementById(name).textContent);
  const SENTENCES = data("data-sentences");
  const sentence = (key, gaps = {}) => SENTENCES[key].replace(/\{(\w+)\}/g, (_, gap) => gaps[gap]);

  // Numbers as `numbers.py` reads and writes them.
  const SUFFIX = { "": 1, k: 1e3, m: 1e6, b: 1e9, t: 1e12 };
  const number = (text) => {
    const m = /^\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([kmbt]?)\s*$/i.exec(text);
    return m ? Number(m[1].replaceAll("_", "")) * SUFFIX[m[2].toLowerCase()] : NaN;
  };
  const digits = (v) => {
    if (v === 0) return "0";
    const text = Math.abs(v) < 1e-4 ? v.toExponential(2) : v.toPrecision(3);
    return text.replace(/e([+-])(\d)$/, "e$10$2");
  };
  const plain = (v) => {
    const rounded = Number(v.toPrecision(3));
    return Math.abs(rounded) < 1e6 ? String(rounded) : rounded.toExponential();
  };
  const human = (v) => {
    for (const [suffix, size, most] of [["T", 1e12, 1e16], ["B", 1e9, 1e12], ["M", 1e6, 1e9]])
      if (size <= v && v < most) return plain(v / size) + suffix;
    return plain(v);
  };
  const percent = (v) => `${Math.round(100 * v)}\u00a0%`;

  const floats = (text) => { // little-endian, whatever the machine
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  };
  const unpacked = (draws) => Object.fromEntries(Object.entries(draws).map(([name, text]) => [name, floats(text)]));
  const quantile = (sorted, p) => { // linear between order statistics, as numpy's default
    const at = p * (sorted.length - 1), low = Math.floor(at), high = Math.ceil(at);
    if (sorted[low] === sorted[high]) return sorted[low];
    return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const el = (tag, props = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...children);
    return node;
  };
  let fields = 0;
  const field = (title, input, ...others) => {
    input.id ||= `field-${++fields}`;
    const label = el("label", { htmlFor: input.id, textContent: title });
    return el("div", { className: "field" }, label, input, ...others);
  };
  const invalid = (input, wrong) => input.setAttribute("aria-invalid", String(wrong));
  const textbox = (value) => el("input", { type: "text", value, autocomplete: "off", spellcheck: false });

  // A log slider stops at the values 1.0, 1.1 ... 9.9 of each decade, so 70B and 15T can be hit.
  const valueAt = (k) => Number(`${(10 + (k % 90)) / 10}e${Math.floor(k / 90)}`);
  const indexOf = (v) => {
    const decade = Math.floor(Math.log10(v) + 1e-12);
    return 90 * decade + Math.round(10 * v / 10 ** decade - 10);
  };
  // A log slider and a text box with one value.
  const sized = (title, value, low, high, changed) => {
    const range = el("input", { type: "range", min: indexOf(low), max: indexOf(high), step: 1 });
    range.setAttribute("aria-label", sentence("slider", { title }));
    const box = textbox(human(value));
    const slide = () => {
      range.value = indexOf(state.value);
      range.setAttribute("aria-valuetext", human(state.value));
    };
    range.addEventListener("input", () => {
      state.value = valueAt(Number(range.value));
      box.value = human(state.value);
      range.setAttribute("aria-valuetext", box.value);
      invalid(box, false);
      changed(state.value);
    });
    box.addEventListener("input", () => {
      const typed = number(box.value), good = typed > 0 && Number.isFinite(typed);
      invalid(box, !good);
      if (!good) return;
      state.value = typed;
      slide();
      changed(typed);
    });
    const state = { value, node: field(title, box, range) };
    slide();
    return state;
  };
  // A linear slider with its value under it.
  const sliding = ({ title, value, low, high, step }, changed) => {
    const range = el("input", { type: "range", min: low, max: high, step });
    range.value = value;
    const shown = el("output", { textContent: digits(value) });
    range.addEventListener("input", () => {
      shown.textContent = digits(Number(range.value));
      changed(Number(range.value));
    });
    return field(title, range, shown);
  };

  const chart = (node, title, options, values) => {
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", title);
    const line = () => colour("--line"), ink = () => colour("--quiet");
    const axes = options.axes.map((axis) => ({ stroke: ink, size: 36, labelSize: 24, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, ...axis }));
    const size = () => ({ width: Math.max(200, node.clientWidth), height: 300 });
    const fixed = { legend: { show: false }, cursor: { drag: { x: false, y: false } } };
    const plot = new uPlot({ ...options, axes, ...size(), ...fixed }, values, node);
    new ResizeObserver(() => plot.setSize(size())).observe(node);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    return plot;
  };
  const accent = () => colour("--accent");

  // Decades from a point to the hull of the data, a closed ring of corners; 0 inside.
  const outside = (hull, [x, y]) => {
    let nearest = Infinity, inside = false;
    for (let i = 0; i + 1 < hull.length; i++) {
      const [ax, ay] = hull[i], dx = hull[i + 1][0] - ax, dy = hull[i + 1][1] - ay;
      const length = dx * dx + dy * dy;
      const t = length ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
      nearest = Math.min(nearest, Math.hypot(x - ax - t * dx, y - ay - t * dy));
      if ((ay > y) !== (ay + dy > y) && x < ax + dx * (y - ay) / dy) inside = !inside;
    }
    return inside || nearest < 1e-9 ? 0 : nearest;
  };

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

    const answers = {}, out = el("dl", { className: "key" });
    out.setAttribute("aria-live", "polite");
    for (const name of ["median", "run", "curve", "reach"]) {
      answers[name] = el("strong");
      answers[name].dataset.answer = name;
      out.append(el("div", {}, el("dt", { textContent: sentence(name, { prob: percent(fit.prob) }) }), el("dd", {}, answers[name])));
    }
    const note = el("p", { className: "small" }), figure = el("div", { className: "chart" });
    const draws = sentence(fit.step === 1 ? "all_draws" : "some_draws", { total: fit.total, step: fit.step });
    host.replaceChildren(
      el("h3", { textContent: sentence("title") }),
      el("div", { className: "fields" }, params.node, tokens.node,
        ...Object.entries(menus).map(([group, menu]) => field(group[0].toUpperCase() + group.slice(1), menu)),
        field(sentence("target", { unit: fit.unit }), target)),
      out, note, figure,
      el("p", { className: "small", textContent: sentence("legend", { prob: percent(fit.prob), draws }) }));

    const chosen = () => {
      const d = { ...all };
      for (const [name, group] of Object.entries(fit.effects)) d[name] = all[`${name}:${menus[group].selectedIndex}`];
      return d;
    };
    const logs = (n, t) => ({ params: Math.log(n / fit.centre.params), tokens: Math.log(t / fit.centre.tokens) });
    // Sorted draws of the curve and of one new run at a size, of every k-th draw.
    const at = (d, n, t, step = 1) => {
      const x = logs(n, t), count = Math.ceil(fit.count / step);
      const curve = new Float64Array(count), run = new Float64Array(count);
      for (let j = 0, i = 0; i < fit.count; j++, i += step) {
        curve[j] = law(d, i, x);
        run[j] = fit.noise_on === "log" ? curve[j] * Math.exp(d.noise[i]) : curve[j] + d.noise[i];
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
      const share = here.run.reduce((n, y) => n + (y <= goal), 0) / here.run.length;
      answers.reach.textContent = Number.isNaN(goal) ? "–" : digits(share);
      const { params: x, tokens: y } = logs(params.value, tokens.value);
      const far = outside(fit.hull, [x / Math.LN10, y / Math.LN10]);
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
      const invisible = { stroke: "transparent", points: { show: false } };
      const dots = { stroke: "#D55E00", paths: () => null, points: { show: true, size: 6, fill: "#D55E00" } };
      plot = chart(figure, sentence("chart", { response: fit.response }), {
        scales: { x: { time: false, distr: 3, range: (_, least, most) => [least, most] }, y: {} },
        axes: [
          { label: sentence("compute"), values: (_, ticks) => ticks.map((v) => v === null ? "" : v.toExponential(0).replace("+", "")) },
          { label: sentence("response", { response: fit.response, unit: fit.unit }), size: 60 },
        ],
        series: [{}, invisible, invisible, invisible, invisible, { stroke: accent, width: 2, points: { show: false } }, dots],
        bands: [{ series: [1, 2], fill: () => accent() + "26" }, { series: [3, 4], fill: () => accent() + "59" }],
        hooks: { draw: [markPoint] },
      }, values);
    };
    const markPoint = (u) => {
      const x = u.valToPos(mark, "x", true), c = u.ctx;
      c.save();
      c.strokeStyle = accent();
      c.setLineDash([6, 4]);
      c.beginPath();
      c.moveTo(x, u.bbox.top);
      c.lineTo(x, u.bbox.top + u.bbox.height);
      c.stroke();
      c.restore();
    };
    draw();
  };

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

  const kinds = { forecaster, exhaustion };
  for (const host of document.querySelectorAll("[data-explore]"))
    kinds[host.dataset.explore](host, data(host.dataset.source));
  // Folded tables are printed too.
  const folded = () => document.querySelectorAll("details");
  addEventListener("beforeprint", () => folded().forEach((d) => { d.dataset.was = d.open; d.open = true; }));
  addEventListener("afterprint", () => folded().forEach((d) => { d.open = d.dataset.was === "true"; }));
})();
