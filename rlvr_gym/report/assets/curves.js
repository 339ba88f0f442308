// Lines over x: `series` are {label, colour, dash, points: [[x, y]], band: [[x, low, high]]}. A line that is `alone` has
// its label in the title. A line with a band is never smoothed: its mean would lie outside of its interval. `zoom` is the part of the x axis that is shown; `onZoom` is told of another, `onPick` of a
// point that was clicked.
function lineChart({
  title,
  series,
  xLabel,
  logarithmic,
  limits,
  least,
  alone,
  smoothing,
  zoom,
  onZoom,
  onPick,
}) {
  const within = ([x, value]) => value !== null && (!zoom || (x >= zoom[0] && x <= zoom[1]));
  const lines = series.map((one) => ({
    ...one,
    points: one.points.filter(within),
    mean: smoothing && !one.band?.length ? smoothed(one.points, smoothing).filter(within) : null,
    band: (one.band || []).filter(([x, low, high]) => within([x, low]) && high !== null),
  }));
  const known = lines.flatMap((one) => [
    ...one.points,
    ...one.band.flatMap(([x, low, high]) => [
      [x, low],
      [x, high],
    ]),
  ]);
  if (!known.length) return card(title, element("p", { class: "note" }, "nothing was measured"));
  const [first, last] = extent(known.map(([x]) => x));
  const [low, high] =
    limits ||
    valueLimits(
      known.map(([, value]) => value),
      least,
    );
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
  for (const one of lines) svg.append(...lineAndBand(one, x, y));
  const nearest = (event) => nearestTo(pointerIn(svg, event), xs, x);
  followPointer(svg, lines, nearest, x, xLabel);
  if (onZoom) takeDrags(svg, nearest, x, onZoom, onPick);
  const labels = series.filter((one) => one.label).map((one) => [one.label, one.colour, one.dash || null]);
  return card(title, svg, labels.length > 1 || (labels.length && !alone) ? legend(labels) : null);
}

// A mean over the neighbours on both sides, each counting `smoothing` times as much as the one nearer by: it does not lag.
function smoothed(points, smoothing) {
  const known = points.filter(([, value]) => value !== null);
  const running = (values) => {
    let sum = 0,
      weight = 0;
    return values.map((value) => [(sum = smoothing * sum + value), (weight = smoothing * weight + 1)]);
  };
  const values = known.map(([, value]) => value),
    before = running(values),
    after = running([...values].reverse()).reverse();
  return known.map(([x, value], at) => [
    x,
    (before[at][0] + after[at][0] - value) / (before[at][1] + after[at][1] - 1),
  ]);
}

function path(points, x, y) {
  return points
    .map(([at, value], index) => `${index ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
}

function lineAndBand({ points, mean, band, colour, dash }, x, y) {
  const nodes = [];
  if (band.length) {
    const round = [
      ...band.map(([at, , high]) => [at, high]),
      ...band.map(([at, low]) => [at, low]).reverse(),
    ];
    nodes.push(styled(drawn("path", { d: path(round, x, y) + "Z", "fill-opacity": 0.15 }), { fill: colour }));
  }
  const line = (shown, opacity) => {
    const look = { fill: "none", "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-opacity": opacity };
    const node = drawn("path", { class: "curve", d: path(shown, x, y), "stroke-dasharray": dash, ...look });
    nodes.push(styled(node, { stroke: colour }));
  };
  if (mean) line(points, 0.22);
  line(mean || points, 1);
  if (points.length <= 24) {
    for (const [at, value] of points)
      nodes.push(styled(drawn("circle", { cx: x(at), cy: y(value), r: 2.4 }), { fill: colour }));
  }
  return nodes;
}

function pointerIn(svg, event) {
  const box = svg.getBoundingClientRect();
  return ((event.clientX - box.left) / box.width) * WIDTH;
}

function nearestTo(at, xs, x) {
  return xs.reduce((best, one) => (Math.abs(x(one) - at) < Math.abs(x(best) - at) ? one : best), xs[0]);
}

// Shows the values at the place nearest to the pointer.
function followPointer(svg, series, nearest, x, xLabel) {
  const cursor = drawn("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  svg.append(cursor);
  const values = series.map((one) => new Map(one.points)),
    bands = series.map((one) => new Map(one.band.map(([at, ...ends]) => [at, ends])));
  svg.addEventListener("pointermove", (event) => {
    const at = nearest(event);
    fill(cursor, { x1: x(at), x2: x(at), visibility: "visible" }, []);
    const lines = series.map((one, index) => {
      const value = values[index].get(at),
        ends = bands[index].get(at);
      if (value === undefined) return null;
      return `${one.label || ""}  ${short(value)}${ends ? `  (${short(ends[0])} to ${short(ends[1])})` : ""}`;
    });
    showTooltip(event, [`${xLabel} ${short(at)}`, ...lines.filter((line) => line !== null)].join("\n"));
  });
  svg.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    byId("tooltip").hidden = true;
  });
}

// A drag chooses the part that is shown from now on, a click a point.
function takeDrags(svg, nearest, x, onZoom, onPick) {
  const chosen = drawn("rect", {
    class: "chosen",
    y: TOP,
    height: HEIGHT - BOTTOM - TOP,
    visibility: "hidden",
  });
  svg.append(chosen);
  svg.classList.add("zooms");
  let from = null;
  const reach = (event) => Math.abs(pointerIn(svg, event) - from);
  svg.addEventListener("pointerdown", (event) => {
    from = pointerIn(svg, event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (from === null || reach(event) < 8) return;
    const at = pointerIn(svg, event);
    fill(chosen, { x: Math.min(from, at), width: Math.abs(at - from), visibility: "visible" }, []);
  });
  svg.addEventListener("pointercancel", () => (from = null));
  svg.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const dragged = reach(event) >= 8;
    const box = svg.getBoundingClientRect();
    const began = nearest({ clientX: box.left + (from / WIDTH) * box.width });
    from = null;
    chosen.setAttribute("visibility", "hidden");
    byId("tooltip").hidden = true;
    const ends = [began, nearest(event)].sort((a, b) => a - b);
    if (!dragged) onPick(ends[0]);
    else if (ends[0] < ends[1]) onZoom(ends);
  });
}
