// Numbers, sentences, fields and charts of the explorers.
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
const share = (v) => v.toFixed(3); // a benchmark score
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

// The answers of an explorer under their titles; screen readers are told of changes.
const answering = (titles) => {
  const node = el("dl", { className: "key" }), answers = {};
  node.setAttribute("aria-live", "polite");
  for (const [name, title] of Object.entries(titles)) {
    answers[name] = el("strong");
    answers[name].dataset.answer = name;
    node.append(el("div", {}, el("dt", { textContent: title }), el("dd", {}, answers[name])));
  }
  return { node, answers };
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
// Of charts over compute: a log axis, the edge of a band, dots, and a dashed line at a compute.
const logScale = { time: false, distr: 3, range: (_, least, most) => [least, most] };
const computeAxis = () => ({ label: sentence("compute"), values: (_, ticks) => ticks.map((v) => v === null ? "" : v.toExponential(0).replace("+", "")) });
const edge = { stroke: "transparent", points: { show: false } };
const dots = { stroke: "#D55E00", paths: () => null, points: { show: true, size: 6, fill: "#D55E00" } };
const dashed = (u, flops) => {
  const x = u.valToPos(flops, "x", true), c = u.ctx;
  c.save();
  c.strokeStyle = accent();
  c.setLineDash([6, 4]);
  c.beginPath();
  c.moveTo(x, u.bbox.top);
  c.lineTo(x, u.bbox.top + u.bbox.height);
  c.stroke();
  c.restore();
};

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
