// What training runs say: curves over steps, to be smoothed and zoomed into, and the alarms of detectors.
const curveView = { smoothing: 0, zoom: null };

function trainingSections(runs) {
  return [
    trainingTable(runs),
    runs.some((run) => run.detectors.length) ? alarmSection(runs) : null,
    trainingCurves(runs),
  ];
}

function trainingTable(runs) {
  const rows = runs.map((run) => {
    const held = run.held_out,
      best = held.reduce((top, one) => (top === null || one.value > top.value ? one : top), null);
    return [
      runName(run),
      run.recipe || "–",
      `${run.steps} of ${run.planned ?? "?"}`,
      `${run.prompts ?? "?"} × ${run.group_size ?? "?"}`,
      held.length ? withInterval(held[0]) : "–",
      held.length ? withInterval(held[held.length - 1]) : "–",
      best ? [number(best.value), element("small", null, `step ${best.step}`)] : "–",
    ];
  });
  return section(
    setTitle("Training", "training", runs),
    element(
      "div",
      { class: "card" },
      table(["run", "recipe", "steps", "prompts × group", "held-out pass@1, first", "last", "best"], rows),
    ),
  );
}

// Which detectors of reward hacking raised an alarm, and when; those that did not are named below.
function alarmSection(runs) {
  const several = runs.length > 1;
  const rows = [],
    quiet = [];
  for (const run of runs) {
    for (const one of run.detectors) {
      if (one.alarms)
        rows.push([
          ...(several ? [[swatch(run.colour), run.name]] : []),
          flagName(one.name),
          element("span", { class: "worse" }, `${one.alarms} of ${plural(one.looks, "look")}`),
          stretchButtons(run, one),
        ]);
    }
    const silent = run.detectors.filter((one) => !one.alarms).map((one) => flagName(one.name));
    if (silent.length) quiet.push(`${several ? `${run.name}: ` : ""}${silent.join(", ")}`);
  }
  return section(
    "Alarms of the detectors of reward hacking",
    element(
      "div",
      { class: "card" },
      rows.length ? table([...(several ? ["run"] : []), "detector", "alarms", "at steps"], rows) : null,
      quiet.length ? element("p", { class: "note" }, `No alarm: ${quiet.join("; ")}.`) : null,
    ),
  );
}

// The steps at which there was an alarm, without a break; each leads to its samples.
function stretchButtons(run, { stretches }, most = 5) {
  const shown = stretches.slice(0, most).map(([first, last]) => {
    const [text, where] =
      first === last
        ? [String(first), `step = ${first}`]
        : [`${first} to ${last}`, `step >= ${first} and step <= ${last}`];
    return button(text, {
      class: "chip alone",
      title: "Show the samples of these steps",
      click: () => showWhere(where, run.index),
    });
  });
  return [shown, stretches.length > most ? " …" : null];
}

const DASHES = [null, "5 3", "2 3", "8 3 2 3"];

function trainingCurves(runs) {
  const cards = element("section", { class: "cards" });
  const whole = button("Whole run", { class: "chip alone whole" });
  const draw = () => {
    whole.hidden = !curveView.zoom;
    const titles = [...new Set(runs.flatMap((run) => run.panels.map((panel) => panel.title)))];
    cards.replaceChildren(...titles.map((title) => trainingCard(runs, title, zoomTo)));
  };
  const zoomTo = (zoom) => {
    curveView.zoom = zoom;
    draw();
  };
  whole.addEventListener("click", () => zoomTo(null));
  draw();
  return element("section", null, curveTools(whole, draw), cards);
}

function curveTools(whole, draw) {
  const slider = element("input", {
    type: "range",
    class: "smoothing",
    min: 0,
    max: 0.98,
    step: 0.02,
    value: curveView.smoothing,
    "aria-label": "Smoothing",
  });
  slider.addEventListener("input", () => {
    curveView.smoothing = Number(slider.value);
    draw();
  });
  return element(
    "div",
    { class: "curve-tools" },
    element("label", null, "Smoothing ", slider),
    whole,
    element(
      "span",
      { class: "note" },
      "Drag over a curve to zoom in. A click on a point shows the samples of its step.",
    ),
  );
}

function trainingCard(runs, title, zoomTo) {
  const panels = runs.map((run) => run.panels.find((one) => one.title === title));
  const series = runs.flatMap((run, place) =>
    panels[place]
      ? panels[place].lines.map((line, index) => trainingLine(runs, run, panels[place], line, index))
      : [],
  );
  return lineChart({
    title,
    series,
    xLabel: "step",
    alone: series.every((one) => title.startsWith(one.label)),
    least: panels.find(Boolean).least,
    smoothing: curveView.smoothing,
    zoom: curveView.zoom,
    onZoom: zoomTo,
    onPick: (step) => showStep(runs, step),
  });
}

// Shows the samples of a step, or of the nearest step that some were recorded of.
function showStep(runs, step) {
  const recorded = SAMPLES.filter((sample) => runs.includes(sample.run)).map((sample) => sample.group.step);
  if (!recorded.length) return;
  const nearest = recorded.reduce((best, one) => (Math.abs(one - step) < Math.abs(best - step) ? one : best));
  showWhere(`step = ${nearest}`, runs.length === 1 ? runs[0].index : "");
}

function trainingLine(runs, run, panel, line, index) {
  const alone = runs.length === 1;
  return {
    label: alone ? line.label : `${run.name}, ${line.label}`,
    colour: alone ? runColour(index) : run.colour,
    dash: alone ? null : DASHES[index % DASHES.length],
    points: line.points,
    band: index === 0 ? panel.band : [],
  };
}
