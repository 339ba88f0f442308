// Axes of pictures, which are SVG.
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

function thinned(values, most) {
  const step = Math.ceil(values.length / most);
  return values.filter((_, index) => index % step === 0 || index === values.length - 1);
}

// The ends of an axis of values: zero is on it, and it is `least` high at the least, so that noise near zero stays flat.
function valueLimits(values, least = 0) {
  let [low, high] = extent(values);
  low = Math.min(0, low);
  high = Math.max(low < 0 ? 0 : high, high);
  const missing = least - (high - low);
  if (missing > 0) [low, high] = low < 0 ? [low - missing / 2, high + missing / 2] : [low, high + missing];
  return [low, high + (high - low) * 0.05 || 1];
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
