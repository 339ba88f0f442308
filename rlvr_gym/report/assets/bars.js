// Dots with intervals, and bars.
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
