// Building elements. Text enters the page as text nodes and nothing else: what a model wrote is never parsed as HTML.
"use strict";

const OUTCOMES = ["correct", "incorrect", "malformed", "timeout", "unscored"];
const SVG = "http://www.w3.org/2000/svg";

function byId(id) {
  return document.getElementById(id);
}

// A property that is a function listens to the event of its name; one that is null is left out.
function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties || {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

function element(name, properties, ...children) {
  return fill(document.createElement(name), properties, children);
}

function drawn(name, properties, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function styled(node, style) {
  Object.assign(node.style, style);
  return node;
}

function runColour(index) {
  return `var(--run-${index % 6})`;
}

function button(label, properties) {
  return element("button", { type: "button", ...properties }, label);
}

function key(name) {
  return element("kbd", null, name);
}

function swatch(colour) {
  return styled(element("span", { class: "swatch" }), { background: colour });
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

function number(value, digits = 4) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function signed(value, digits = 4) {
  return value === null || value === undefined
    ? "–"
    : (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
}

function percent(value) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`;
}

// Few digits for small numbers and for large ones.
function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

// A table of cells that are texts, nodes or lists of both.
function table(headings, rows) {
  const head = element(
    "tr",
    null,
    headings.map((heading) => element("th", { scope: "col" }, heading)),
  );
  const body = rows.map((cells) =>
    element(
      "tr",
      null,
      cells.map((cell) => element("td", null, cell)),
    ),
  );
  return element(
    "div",
    { class: "scroll" },
    element("table", null, element("thead", null, head), element("tbody", null, body)),
  );
}

function withInterval(point, digits = 4) {
  if (!point || point.value === null) return "–";
  return [
    number(point.value, digits),
    element("small", null, `${number(point.low, digits)} to ${number(point.high, digits)}`),
  ];
}

function card(title, ...children) {
  return element("figure", { class: "card", "aria-label": title }, element("h3", null, title), children);
}

// Entries are [label, colour] of an area, or [label, colour, dash] of a line, dash being null where it is whole.
function legend(entries) {
  return element(
    "div",
    { class: "legend" },
    entries.map(([label, colour, dash]) =>
      element("span", null, dash === undefined ? swatch(colour) : stroke(colour, dash), label),
    ),
  );
}

function stroke(colour, dash) {
  const line = drawn("line", { x1: 0, x2: 26, y1: 5, y2: 5, "stroke-width": 2.2, "stroke-dasharray": dash });
  return drawn("svg", { class: "stroke", viewBox: "0 0 26 10" }, styled(line, { stroke: colour }));
}
