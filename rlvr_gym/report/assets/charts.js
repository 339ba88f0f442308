// Pictures as SVG.
const WIDTH = 420,
  HEIGHT = 236,
  LEFT = 46,
  RIGHT = 10,
  TOP = 8,
  BOTTOM = 34;

function niceTicks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step)
    ticks.push(Math.abs(tick) < step * 1e-9 ? 0 : tick);
  return ticks;
}

function frame(x, y, xTicks, yTicks, xLabel) {
  const nodes = yTicks.map((tick) => [
    drawn("line", {
      class: tick === 0 ? "zero" : "grid",
      x1: LEFT,
      x2: WIDTH - RIGHT,
      y1: y(tick),
      y2: y(tick),
    }),
    drawn("text", { x: LEFT - 7, y: y(tick) + 4, "text-anchor": "end" }, short(tick)),
  ]);
  nodes.push(
    xTicks.map((tick) =>
      drawn("text", { x: x(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, short(tick)),
    ),
  );
  nodes.push(drawn("text", { x: WIDTH - RIGHT, y: HEIGHT - 3, "text-anchor": "end" }, xLabel));
  return nodes.flat();
}

function scale(low, high, from, to) {
  return (value) => from + ((value - low) / (high - low || 1)) * (to - from);
}

function extent(values) {
  let low = Infinity,
    high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// Lines over x: `series` are {label, colour, dash, points: [[x, y]], band: [[x, low, high]]}. A line that is `alone` has its
// label in the title.
function lineChart({ title, series, xLabel, logarithmic, limits, note, alone }) {
  const all = series.flatMap((one) => [
    ...one.points,
    ...(one.band || []).flatMap(([x, low, high]) => [
      [x, low],
      [x, high],
    ]),
  ]);
  const known = all.filter(([, value]) => value !== null);
  if (!known.length) return card(title, element("p", { class: "note" }, "nothing was measured"));
  const [first, last] = extent(known.map(([x]) => x));
  let [low, high] = limits || extent(known.map(([, value]) => value));
  if (!limits) [low, high] = [Math.min(0, low), high + (high - Math.min(0, low)) * 0.05 || 1];
  const place = logarithmic ? Math.log2 : (value) => value;
  const along = scale(place(first), place(last), LEFT + 4, WIDTH - RIGHT - 4);
  const x = (value) => along(place(value)),
    y = scale(low, high, HEIGHT - BOTTOM, TOP);
  const xs = [...new Set(known.map(([value]) => value))].sort((a, b) => a - b);
  const xTicks = logarithmic ? thinned(xs, 9) : niceTicks(first, last, 5);
  const svg = drawn(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title },
    frame(x, y, xTicks, niceTicks(low, high, 5), xLabel),
  );
  for (const one of series) svg.append(...lineAndBand(one, x, y));
  followPointer(svg, series, xs, x, xLabel);
  const labels = series.filter((one) => one.label).map((one) => [one.label, one.colour, one.dash || null]);
  return card(
    title,
    svg,
    labels.length > 1 || (labels.length && !alone) ? legend(labels) : null,
    note ? element("p", { class: "note" }, note) : null,
  );
}

function thinned(values, most) {
  const step = Math.ceil(values.length / most);
  return values.filter((_, index) => index % step === 0 || index === values.length - 1);
}

function path(points, x, y) {
  return points
    .map(([at, value], index) => `${index ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
}

function lineAndBand(one, x, y) {
  const nodes = [];
  const band = (one.band || []).filter(([, low, high]) => low !== null && high !== null);
  if (band.length) {
    const round = [
      ...band.map(([at, , high]) => [at, high]),
      ...band.map(([at, low]) => [at, low]).reverse(),
    ];
    nodes.push(
      styled(drawn("path", { d: path(round, x, y) + "Z", "fill-opacity": 0.15 }), { fill: one.colour }),
    );
  }
  const points = one.points.filter(([, value]) => value !== null);
  const stroke = {
    d: path(points, x, y),
    fill: "none",
    "stroke-width": 1.8,
    "stroke-linejoin": "round",
    "stroke-dasharray": one.dash,
  };
  nodes.push(styled(drawn("path", stroke), { stroke: one.colour }));
  if (points.length <= 24) {
    for (const [at, value] of points)
      nodes.push(styled(drawn("circle", { cx: x(at), cy: y(value), r: 2.4 }), { fill: one.colour }));
  }
  return nodes;
}

// Shows the values at the place nearest to the pointer.
function followPointer(svg, series, xs, x, xLabel) {
  const cursor = drawn("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  svg.append(cursor);
  const values = series.map((one) => new Map(one.points)),
    bands = series.map((one) => new Map((one.band || []).map(([at, ...ends]) => [at, ends])));
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const nearest = xs.reduce(
      (best, one) => (Math.abs(x(one) - at) < Math.abs(x(best) - at) ? one : best),
      xs[0],
    );
    fill(cursor, { x1: x(nearest), x2: x(nearest), visibility: "visible" }, []);
    const lines = series.map((one, index) => {
      const value = values[index].get(nearest),
        ends = bands[index].get(nearest);
      if (value === undefined || value === null) return null;
      return `${one.label || ""}  ${short(value)}${ends ? `  (${short(ends[0])} to ${short(ends[1])})` : ""}`;
    });
    showTooltip(event, [`${xLabel} ${short(nearest)}`, ...lines.filter((line) => line !== null)].join("\n"));
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    byId("tooltip").hidden = true;
  });
}

function showTooltip(event, text) {
  const tip = byId("tooltip");
  tip.textContent = text;
  tip.hidden = false;
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  styled(tip, {
    left: `${left}px`,
    top: `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`,
  });
}

// A row for each label: a dot with its interval for each run. `rows` are {label, points: [{value, low, high, colour}]}.
function dotChart(title, rows, note) {
  const lane = 13,
    gap = 10,
    left = 132;
  const tall = rows.reduce((sum, row) => sum + row.points.length * lane + gap, 0);
  const x = scale(0, 1, left, WIDTH - 44),
    height = tall + 26;
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title });
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(drawn("line", { class: tick ? "grid" : "zero", x1: x(tick), x2: x(tick), y1: 2, y2: tall }));
    svg.append(drawn("text", { x: x(tick), y: height - 8, "text-anchor": "middle" }, short(tick)));
  }
  let top = gap / 2;
  for (const row of rows) {
    const middle = top + (row.points.length * lane) / 2;
    const label = row.label.length > 20 ? `${row.label.slice(0, 19)}…` : row.label;
    svg.append(
      drawn(
        "text",
        { x: left - 8, y: middle + 4, "text-anchor": "end" },
        label,
        drawn("title", null, row.label),
      ),
    );
    for (const point of row.points) {
      if (point.value !== null) svg.append(...dot(point, x, top + lane / 2));
      top += lane;
    }
    top += gap;
  }
  return card(title, svg, note ? element("p", { class: "note" }, note) : null);
}

function dot(point, x, y) {
  const said = `${number(point.value)} (${number(point.low)} to ${number(point.high)}), ${plural(point.problems, "task")}`;
  const whisker = styled(
    drawn("line", {
      x1: x(point.low),
      x2: x(point.high),
      y1: y,
      y2: y,
      "stroke-width": 2,
      "stroke-opacity": 0.45,
    }),
    { stroke: point.colour },
  );
  const mark = styled(drawn("circle", { cx: x(point.value), cy: y, r: 4 }, drawn("title", null, said)), {
    fill: point.colour,
  });
  return [whisker, mark, drawn("text", { x: WIDTH, y: y + 4, "text-anchor": "end" }, point.value.toFixed(3))];
}

// Bars made of parts, on each other or `beside` each other: `bars` are lists of counts, one for each of `parts`
// ({label, colour}). `limit` is a place on the axis, in bars; `ticks` are the bars whose label is shown.
function histogram({ title, parts, bars, labelOf, xLabel, limit, ticks, beside, note }) {
  const heights = bars.map((bar) => (beside ? Math.max(...bar) : bar.reduce((sum, count) => sum + count, 0)));
  const most = Math.max(1, ...heights);
  const x = scale(0, bars.length, LEFT, WIDTH - RIGHT),
    y = scale(0, most * 1.05, HEIGHT - BOTTOM, TOP);
  const step = Math.max(1, Math.ceil(bars.length / 6));
  const svg = drawn(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title },
    frame(x, y, [], niceTicks(0, most, 4).filter(Number.isInteger), xLabel),
  );
  bars.forEach((bar, index) => {
    svg.append(...barParts(bar, index, parts, x, y, beside, labelOf(index)));
    if (ticks ? ticks.includes(index) : index % step === 0)
      svg.append(
        drawn(
          "text",
          { x: x(index + 0.5), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" },
          labelOf(index),
        ),
      );
  });
  if (limit !== undefined && limit <= bars.length)
    svg.append(drawn("line", { class: "limit", x1: x(limit), x2: x(limit), y1: TOP, y2: HEIGHT - BOTTOM }));
  return card(
    title,
    svg,
    parts.length > 1 ? legend(parts.map((part) => [part.label, part.colour])) : null,
    note ? element("p", { class: "note" }, note) : null,
  );
}

function barParts(bar, index, parts, x, y, beside, label) {
  const wide = (x(1) - x(0)) * 0.86,
    nodes = [];
  let below = 0;
  bar.forEach((count, part) => {
    if (!count) return;
    const width = beside ? wide / bar.length : wide;
    const box = {
      x: x(index + 0.07) + (beside ? part * width : 0),
      width,
      y: y(below + count),
      height: y(below) - y(below + count),
    };
    const said = `${label}: ${count.toLocaleString("en")} ${parts[part].label}`;
    nodes.push(styled(drawn("rect", box, drawn("title", null, said)), { fill: parts[part].colour }));
    if (!beside) below += count;
  });
  return nodes;
}
