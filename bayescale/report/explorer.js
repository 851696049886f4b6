"use strict";
// The page's two explorers. Numbers come from embedded posterior draws, by the rules of
// `bayescale predict`: the same draws, the same quantiles, the same digits.
(() => {
  const SUFFIX = { "": 1, k: 1e3, m: 1e6, b: 1e9, t: 1e12 };
  const number = (text) => {
    const m = /^\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([kmbt]?)\s*$/i.exec(text);
    return m ? Number(m[1].replaceAll("_", "")) * SUFFIX[m[2].toLowerCase()] : NaN;
  };
  const digits = (v) => v === 0 ? "0" : v.toPrecision(3)
    .replace(/e([+-])(\d)$/, "e$10$2").replace(/\.$/, "");
  const plain = (v) => { const r = Number(v.toPrecision(3)); return Math.abs(r) < 1e6 ? String(r) : v.toExponential(2); };
  const human = (v) => {
    for (const [s, size] of [["T", 1e12], ["B", 1e9], ["M", 1e6]])
      if (size <= v && v < 1e3 * size * (s === "T" ? 10 : 1)) return plain(v / size) + s;
    return plain(v);
  };
  const percent = (v) => `${Math.round(100 * v)}\u00a0%`;
  const floats = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer), out = new Float32Array(bytes.length / 4);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
    return out;
  };
  const quantile = (sorted, p) => { // linear between order statistics, as numpy's default
    const at = p * (sorted.length - 1), low = Math.floor(at), high = Math.min(low + 1, sorted.length - 1);
    if (sorted[low] === sorted[high]) return sorted[low];
    return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
  };
  // Slider positions are the values 1.0, 1.1 ... 9.9 of each decade, so 70B and 15T can be hit.
  const valueAt = (k) => Number(((10 + (k % 90)) / 10 + "e" + Math.floor(k / 90)));
  const indexOf = (v) => {
    const e = Math.floor(Math.log10(v) + 1e-12);
    return 90 * e + Math.round(10 * v / 10 ** e - 10);
  };
  const el = (tag, props = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...children);
    return node;
  };
  let fields = 0;
  const labelled = (text, input) => {
    input.id ||= `field-${++fields}`;
    return [el("label", { htmlFor: input.id, textContent: text }), input];
  };
  // A log slider and a box to type in, kept on one value.
  const sized = (title, start, low, high, changed) => {
    const range = el("input", { type: "range", min: indexOf(low), max: indexOf(high), step: 1 });
    const box = el("input", { type: "text", autocomplete: "off", spellcheck: false });
    const state = { value: start, box, range };
    const show = () => { range.value = indexOf(state.value); range.setAttribute("aria-valuetext", human(state.value)); };
    range.addEventListener("input", () => { state.value = valueAt(Number(range.value)); box.value = human(state.value); box.removeAttribute("aria-invalid"); range.setAttribute("aria-valuetext", box.value); changed(); });
    box.addEventListener("input", () => {
      const typed = number(box.value), good = typed > 0 && Number.isFinite(typed);
      box.setAttribute("aria-invalid", String(!good));
      if (good) { state.value = typed; show(); changed(); }
    });
    box.value = human(start); show();
    const [label] = labelled(title, box);
    range.setAttribute("aria-label", `${title}, slider`);
    state.node = el("div", { className: "field" }, label, box, range);
    return state;
  };
  const chart = (node, title, options, data) => {
    const colours = getComputedStyle(document.documentElement);
    const ink = colours.getPropertyValue("--quiet").trim(), grid = colours.getPropertyValue("--line").trim();
    node.setAttribute("role", "img"); node.setAttribute("aria-label", title);
    const axes = options.axes.map((a) => ({ stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid }, ...a }));
    const size = () => ({ width: Math.max(200, node.clientWidth), height: 280 });
    const plot = new uPlot({ ...options, axes, ...size(), legend: { show: false }, cursor: { drag: { x: false, y: false } } }, data, node);
    new ResizeObserver(() => plot.setSize(size())).observe(node);
    return plot;
  };

  const forecaster = (host, said) => {
    const all = Object.fromEntries(Object.entries(said.draws).map(([k, v]) => [k, floats(v)]));
    const law = CURVES[host.dataset.source];
    const tail = (1 - said.prob) / 2;
    const menus = {};
    const draws = () => {
      const d = { ...all };
      for (const [name, { group }] of Object.entries(said.effects)) d[name] = all[`${name}:${menus[group].selectedIndex}`];
      return d;
    };
    const centred = (params, tokens) => ({ params: Math.log(params) - Math.log(said.centre.params), tokens: Math.log(tokens) - Math.log(said.centre.tokens) });
    const at = (d, params, tokens, step) => {
      const x = centred(params, tokens), n = Math.ceil(said.count / step);
      const mean = new Float64Array(n), run = new Float64Array(n);
      for (let j = 0, i = 0; i < said.count; j++, i += step) {
        const y = law(d, i, x);
        mean[j] = y; run[j] = said.noise_on === "log" ? y * Math.exp(d.scatter[i]) : y + d.scatter[i];
      }
      return { mean: mean.sort(), run: run.sort() };
    };
    const outside = (params, tokens) => { // decades to the hull of the data, 0 inside
      const p = [centred(params, tokens).params / Math.LN10, centred(params, tokens).tokens / Math.LN10], h = said.hull;
      let nearest = Infinity, inside = false;
      for (let i = 0; i + 1 < h.length || (h.length === 1 && i === 0); i++) {
        const a = h[i], b = h[i + 1] ?? a, dx = b[0] - a[0], dy = b[1] - a[1], l = dx * dx + dy * dy;
        const t = l ? Math.max(0, Math.min(1, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / l)) : 0;
        nearest = Math.min(nearest, Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy));
        if ((a[1] > p[1]) !== (b[1] > p[1]) && p[0] < a[0] + dx * (p[1] - a[1]) / dy) inside = !inside;
      }
      return inside || nearest < 1e-9 ? 0 : nearest;
    };
    let plot, waiting = 0;
    const later = () => { if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(); }); };
    const params = sized("Parameters", said.start.params, 1e7, 1e14, later);
    const tokens = sized("Tokens", said.start.tokens, 1e9, 1e16, later);
    for (const [group, labels] of Object.entries(said.groups)) {
      const menu = el("select");
      labels.forEach((label, i) => menu.append(el("option", { value: String(i), textContent: i === labels.length - 1 ? `a new ${group}` : label })));
      menu.selectedIndex = labels.includes(said.start[group]) ? labels.indexOf(said.start[group]) : labels.length - 1;
      menu.addEventListener("change", () => {
        const settled = said.follows[group]?.[labels[menu.selectedIndex]] ?? {};
        if (group === Object.keys(said.groups)[0]) for (const [other, choices] of Object.entries(said.groups))
          if (other !== group) menus[other].selectedIndex = settled[other] === undefined ? choices.length - 1 : choices.indexOf(settled[other]);
        later();
      });
      menus[group] = menu;
    }
    const target = el("input", { type: "text", value: String(said.target), autocomplete: "off" });
    target.addEventListener("input", later);
    const out = el("dl", { className: "key" });
    const told = {};
    for (const [name, label] of [["median", "median"], ["run", `one new run, ${percent(said.prob)}`], ["mean", `the curve, ${percent(said.prob)}`], ["reach", "probability to reach the target"]]) {
      told[name] = el("strong"); told[name].dataset.said = name;
      out.append(el("div", {}, el("dt", { textContent: label }), el("dd", {}, told[name])));
    }
    out.setAttribute("aria-live", "polite");
    const note = el("p", { className: "small" });
    const picture = el("div", { className: "chart" });
    host.replaceChildren(
      el("h3", { textContent: "Explore" }),
      el("div", { className: "fields" }, params.node, tokens.node,
        ...Object.entries(menus).map(([g, m]) => el("div", { className: "field" }, ...labelled(g[0].toUpperCase() + g.slice(1), m))),
        el("div", { className: "field" }, ...labelled(`Target (${said.unit})`, target))),
      out, note, picture,
      el("p", { className: "small", textContent: `Bands: ${percent(said.prob)} for one new run (light) and for the curve (dark), along the chosen tokens per parameter; dots: the runs; the line marks the question. ` +
        (said.step === 1 ? `The numbers are of all ${said.of} draws` : `The numbers are of every ${said.step}th of ${said.of} draws, so they differ from the command line's by Monte Carlo error`) + "; the bands drawn are of some." }));
    const show = (s) => `${digits(quantile(s, tail))} to ${digits(quantile(s, 1 - tail))}`;
    function draw() {
      const d = draws(), here = at(d, params.value, tokens.value, 1);
      told.median.textContent = digits(quantile(here.run, 0.5));
      told.run.textContent = show(here.run); told.mean.textContent = show(here.mean);
      const goal = number(target.value);
      target.setAttribute("aria-invalid", String(Number.isNaN(goal)));
      told.reach.textContent = Number.isNaN(goal) ? "–" : digits(here.run.reduce((n, y) => n + (y <= goal), 0) / here.run.length);
      const far = outside(params.value, tokens.value);
      note.textContent = far > 0 ? `${far.toFixed(2)} decades outside the data: the interval assumes that the law holds out there, which the data cannot show.` : "Inside the data.";
      note.className = far > 0 ? "small warning" : "small";
      const flops = 6 * params.value * tokens.value, ratio = tokens.value / params.value;
      const low = Math.min(flops, said.runs[0][0]) / 2, high = Math.max(flops, said.runs.at(-1)[0]) * 3;
      const step = Math.max(1, Math.floor(said.count / 500)), rows = [];
      const grid = new Set(said.runs.map((r) => r[0]));
      for (let i = 0; i < 33; i++) grid.add(low * (high / low) ** (i / 32));
      const xs = [...grid].sort((a, b) => a - b);
      for (const c of xs) {
        const s = at(d, Math.sqrt(c / 6 / ratio), Math.sqrt(c / 6 * ratio), step);
        rows.push([quantile(s.run, 1 - tail), quantile(s.run, tail), quantile(s.mean, 1 - tail), quantile(s.mean, tail), quantile(s.mean, 0.5)]);
      }
      const dots = new Map(said.runs);
      const data = [xs, ...[0, 1, 2, 3, 4].map((i) => rows.map((r) => r[i])), xs.map((x) => dots.get(x) ?? null)];
      mark = flops;
      if (plot) { plot.setData(data); return; }
      const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
      const quiet = { stroke: "transparent", points: { show: false } };
      plot = chart(picture, `${said.response} over training compute, with bands; the numbers stand above`, {
        scales: { x: { time: false, distr: 3 }, y: {} },
        axes: [{ label: "training compute (FLOP)", values: (u, t) => t.map((v) => v === null ? "" : `1e${Math.round(Math.log10(v))}`) }, { label: `${said.response} (${said.unit})`, size: 60 }],
        series: [{}, quiet, quiet, quiet, quiet, { stroke: accent, width: 2, points: { show: false } }, { stroke: "#D55E00", paths: () => null, points: { show: true, size: 5, fill: "#D55E00" } }],
        bands: [{ series: [1, 2], fill: accent + "26" }, { series: [3, 4], fill: accent + "59" }],
        hooks: { draw: [(u) => { const x = u.valToPos(mark, "x", true), c = u.ctx; c.save(); c.strokeStyle = accent; c.setLineDash([6, 4]); c.beginPath(); c.moveTo(x, u.bbox.top); c.lineTo(x, u.bbox.top + u.bbox.height); c.stroke(); c.restore(); }] },
      }, data);
    }
    let mark = 0;
    draw();
  };

  const exhaustion = (host, said) => {
    const d = Object.fromEntries(Object.entries(said.draws).map(([k, v]) => [k, floats(v)]));
    const now = Object.fromEntries(said.inputs.map((i) => [i.name, i.value]));
    const initial = Object.fromEntries(said.inputs.map((i) => [i.name, i.value]));
    const shift = (name, log) => log ? Math.log10(now[name] / initial[name]) : now[name] - initial[name];
    const tail = (1 - said.prob) / 2;
    const answer = el("strong", {}), never = el("span", { className: "small" });
    answer.dataset.said = "year";
    const picture = el("div", { className: "chart" });
    let plot;
    const draw = () => {
      const stock = shift("stock", true), quality = 10 ** shift("quality", true), data = shift("datasets", false), compute = shift("compute", false) / 2;
      const years = new Float64Array(d.stock.length);
      for (let i = 0; i < years.length; i++) {
        const trend = d.share[i] < now.share;
        const from = trend ? said.years.datasets : said.years.compute;
        const level = trend ? d.datasets[i] : d.optimal[i], growth = trend ? d.datasets_growth[i] + data : d.optimal_growth[i] + compute;
        const there = d.stock[i] + stock + Math.log10(Math.min(1, d.quality[i] * quality));
        const gap = there + d.stock_growth[i] * (from - said.years.stock) - level, faster = growth - d.stock_growth[i];
        years[i] = faster > 0 ? from + gap / faster : gap <= 0 ? from : Infinity;
      }
      years.sort();
      const said_ = (v) => Number.isFinite(v) ? v.toFixed(1) : "never";
      answer.textContent = `${said_(quantile(years, 0.5))} (${said_(quantile(years, tail))} to ${said_(quantile(years, 1 - tail))})`;
      never.textContent = ` never: ${(100 * years.filter((y) => y === Infinity).length / years.length).toFixed(1)} %`;
      const xs = said.calendar, ys = xs.map((y) => years.filter((v) => v < y + 1).length / years.length);
      if (plot) return plot.setData([xs, ys]);
      const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
      plot = chart(picture, "Probability by year that usable text is used up", { scales: { x: { time: false }, y: { range: [0, 1] } }, axes: [{ label: "by the end of" , values: (u, t) => t.map((v) => Number.isInteger(v) ? v : "") }, { label: "probability", size: 60 }], series: [{}, { stroke: accent, width: 2 }] }, [xs, ys]);
    };
    const inputs = said.inputs.map((input) => {
      if (input.log) return sized(input.title, input.value, input.low, input.high, () => {});
      return null;
    });
    const nodes = said.inputs.map((input, i) => {
      if (inputs[i]) {
        const read = () => { now[input.name] = inputs[i].value; draw(); };
        inputs[i].box.addEventListener("input", read); inputs[i].range.addEventListener("input", read);
        return inputs[i].node;
      }
      const range = el("input", { type: "range", min: input.low, max: input.high, step: "any", value: input.value });
      range.step = input.step; range.value = input.value;
      const shown = el("output", { textContent: digits(input.value) });
      range.addEventListener("input", () => { now[input.name] = Number(range.value); shown.textContent = digits(now[input.name]); draw(); });
      return el("div", { className: "field" }, ...labelled(input.title, range), shown);
    });
    host.replaceChildren(el("h3", { textContent: "Move the scenario" }), el("div", { className: "fields" }, ...nodes),
      el("p", { className: "lead" }, `Used up in (median; ${percent(said.prob)}): `, answer, never), picture);
    draw();
  };

  const kinds = { forecaster, exhaustion };
  for (const host of document.querySelectorAll("[data-explore]"))
    kinds[host.dataset.explore](host, JSON.parse(document.getElementById(host.dataset.source).textContent));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.dataset.was = d.open; d.open = true; }));
  addEventListener("afterprint", () => document.querySelectorAll("details").forEach((d) => { d.open = d.dataset.was === "true"; }));
})();
