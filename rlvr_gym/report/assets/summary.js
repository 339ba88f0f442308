// The first view: what the runs say in numbers and curves.
const RUNS = DATA.runs.map((run, index) => ({ ...run, index, colour: runColour(index) }));
const EVALUATIONS = RUNS.filter((run) => run.kind === "evaluation");
const TRAININGS = RUNS.filter((run) => run.kind === "training");

function showSummary() {
  const sections = [
    EVALUATIONS.length ? evaluationTable() : null,
    EVALUATIONS.length ? evaluationCards() : null,
    ...DATA.comparisons.map(comparisonSection),
    TRAININGS.length ? trainingTable() : null,
    TRAININGS.some((run) => run.detectors.length) ? alarmSection() : null,
    TRAININGS.length ? trainingCards() : null,
  ];
  byId("summary").append(...sections.filter((section) => section !== null));
}

function section(title, ...children) {
  return element("section", null, element("h2", null, title), children);
}

function runName(run) {
  return [
    swatch(run.colour),
    run.name,
    element("small", null, [run.environment, run.model].filter(Boolean).join(", ")),
  ];
}

function at(run, k) {
  return run.curve.find((point) => point.k === k);
}

function evaluationTable() {
  const ks = [...new Set(EVALUATIONS.flatMap((run) => run.reported))].sort((a, b) => a - b);
  const headings = [
    "evaluation",
    "tasks × samples",
    ...ks.map((k) => `pass@${k}`),
    "truncated",
    "tokens",
    "unscored",
  ];
  const rows = EVALUATIONS.map((run) => [
    runName(run),
    `${run.problems.toLocaleString("en")} × ${run.n}`,
    ...ks.map((k) => withInterval(at(run, k))),
    percent(run.truncation),
    run.tokens === null ? "–" : run.tokens.toFixed(1),
    run.outcomes.unscored
      ? [run.outcomes.unscored, element("small", { title: run.fault }, run.fault.slice(0, 40))]
      : "0",
  ]);
  return section(
    "Evaluations",
    element("div", { class: "card" }, table(headings, rows), samplingNotes(), noiseNotes()),
  );
}

// What is true of all runs at once, or of each by name.
function notes(of) {
  const said = EVALUATIONS.map((run) => [run, of(run)]).filter(([, text]) => text !== null);
  const alike = said.length === EVALUATIONS.length && new Set(said.map(([, text]) => text)).size === 1;
  return alike ? said[0][1] : said.map(([run, text]) => `${run.name}: ${text}`).join("; ");
}

function samplingNotes() {
  const said = notes((run) =>
    Object.entries(run.sampling)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
  return element("p", { class: "note" }, `Sampling: ${said}.`);
}

function noiseNotes() {
  const said = notes(({ noise }) =>
    noise.within === null || noise.between === null
      ? null
      : `${number(noise.within)} from sampling and ${number(noise.between)} from the choice of tasks`,
  );
  if (!said) return null;
  return element(
    "p",
    { class: "note" },
    `Standard errors of pass@1, ${said}. More samples lower the first only.`,
  );
}

function evaluationCards() {
  const lengths = EVALUATIONS.filter((run) => run.lengths);
  return element(
    "section",
    { class: "cards" },
    curves(),
    outcomeShares(),
    ...lengths.map(lengthCard),
    solvedCard(),
    ...breakdownCards(),
  );
}

function named(run, title) {
  return EVALUATIONS.length > 1 ? `${title}: ${run.name}` : title;
}

function curves() {
  const series = EVALUATIONS.map((run) => ({
    label: run.name,
    colour: run.colour,
    points: run.curve.map((point) => [point.k, point.value]),
    band: run.curve.map((point) => [point.k, point.low, point.high]),
  }));
  return lineChart({
    title: "pass@k, 95 % intervals over tasks",
    series,
    xLabel: "k",
    logarithmic: true,
    limits: shareLimits(series),
    alone: true,
  });
}

// The part of the axis from 0 to 1 that holds all bands, in twentieths.
function shareLimits(series) {
  const ends = series
    .flatMap((one) => one.band.flatMap(([, low, high]) => [low, high]))
    .filter((end) => end !== null);
  const [low, high] = extent(ends.length ? ends : [0, 1]);
  return [Math.max(0, Math.floor((low - 0.02) * 20) / 20), Math.min(1, Math.ceil((high + 0.01) * 20) / 20)];
}

function outcomeShares() {
  const bars = EVALUATIONS.map((run) => {
    const total = OUTCOMES.reduce((sum, outcome) => sum + run.outcomes[outcome], 0);
    const parts = OUTCOMES.filter((outcome) => run.outcomes[outcome]).map((outcome) => {
      const share = run.outcomes[outcome] / total;
      return styled(
        element("span", {
          title: `${plural(run.outcomes[outcome], "sample")} ${outcome}, ${percent(share)}`,
        }),
        { flexGrow: share, background: `var(--${outcome})` },
      );
    });
    const said = OUTCOMES.filter((outcome) => run.outcomes[outcome])
      .map((outcome) => `${percent(run.outcomes[outcome] / total)} ${outcome}`)
      .join(", ");
    return element(
      "div",
      null,
      EVALUATIONS.length > 1 ? element("small", null, swatch(run.colour), run.name) : null,
      element("div", { class: "stack" }, parts),
      element("p", { class: "note" }, `${said}; ${percent(run.truncation)} truncated`),
    );
  });
  const seen = OUTCOMES.filter((outcome) => EVALUATIONS.some((run) => run.outcomes[outcome]));
  return card("Outcomes", bars, legend(seen.map((outcome) => [outcome, `var(--${outcome})`])));
}

function lengthCard(run) {
  const { counts, width, medians, max_tokens } = run.lengths;
  const seen = OUTCOMES.filter((outcome) => counts[outcome]);
  const parts = seen.map((outcome) => ({ label: outcome, colour: `var(--${outcome})` }));
  const bars = counts[seen[0]].map((_, bin) => seen.map((outcome) => counts[outcome][bin]));
  const labelOf = (bin) =>
    width === 1
      ? String(bin)
      : `${(bin * width).toLocaleString("en")}–${((bin + 1) * width - 1).toLocaleString("en")}`;
  const shortLabel = (bin) => (bars.length > 8 ? (bin * width).toLocaleString("en") : labelOf(bin));
  const middle = seen.map((outcome) => `${outcome} ${short(medians[outcome])}`).join(", ");
  return histogram({
    title: named(run, "Length by outcome"),
    parts,
    bars,
    labelOf: shortLabel,
    xLabel: "tokens",
    limit: max_tokens / width,
    note: `Medians: ${middle}. ${percent(run.truncation)} ran into max_tokens, ${max_tokens.toLocaleString("en")}.`,
  });
}

function solvedCard() {
  const parts = EVALUATIONS.map((run) => ({ label: run.name, colour: run.colour }));
  const labels = ["never", ...Array.from({ length: 10 }, (_, bin) => `${bin * 10} %`), "always"];
  const bars = labels.map((_, bin) => EVALUATIONS.map((run) => run.solved[bin]));
  return histogram({
    title: "Tasks by how often they were solved",
    parts,
    bars,
    labelOf: (bin) => labels[bin],
    xLabel: "share of samples right",
    beside: true,
    ticks: [0, 3, 5, 8, 11],
    note: "Tasks that are never or always solved have no gradient in group-relative training.",
  });
}

function breakdownCards() {
  const keys = [...new Set(EVALUATIONS.flatMap((run) => run.breakdowns.map((one) => one.key)))];
  return keys.map((key) => {
    const labels = [],
      points = Object.create(null);
    for (const run of EVALUATIONS) {
      for (const row of (run.breakdowns.find((one) => one.key === key) || { rows: [] }).rows) {
        if (!points[row.label]) labels.push(row.label);
        (points[row.label] = points[row.label] || []).push({ ...row, colour: run.colour });
      }
    }
    return dotChart(
      `pass@1 by ${key}`,
      labels.map((label) => ({ label, points: points[label] })),
      "With 95 % intervals over tasks. Resting on a dot shows how many there are.",
    );
  });
}

function comparisonSection(one) {
  const title = `${one.second} against ${one.first}, paired by task`;
  if (one.refused)
    return section(title, element("div", { class: "card" }, element("p", { class: "note" }, one.refused)));
  const rows = one.differences.map((d) => [
    `pass@${d.k}`,
    number(d.first),
    number(d.second),
    element("span", { class: d.low > 0 ? "better" : d.high < 0 ? "worse" : "even" }, signed(d.value)),
    `${signed(d.low)} to ${signed(d.high)}`,
    d.gains,
    d.losses,
  ]);
  const crossings = one.crossings.map((c) => `the curves cross between k = ${c.before} and k = ${c.after}`);
  const certainty = one.crossings.length
    ? one.certain
      ? "with intervals off zero on both sides"
      : "which may be chance"
    : "";
  const said = [
    `${plural(one.problems, "task")} in common`,
    `${one.gained} gained and ${one.lost} lost within ${plural(one.samples, "sample")}`,
    crossings.length ? `${crossings.join(", ")}, ${certainty}` : "the curves do not cross",
  ];
  return section(
    title,
    element(
      "div",
      { class: "card" },
      table(["", "first", "second", "difference", "95 % interval", "tasks up", "down"], rows),
      element("p", { class: "note" }, `${said.join("; ")}.`),
    ),
  );
}

function trainingTable() {
  const rows = TRAININGS.map((run) => {
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
    "Training",
    element(
      "div",
      { class: "card" },
      table(["run", "recipe", "steps", "prompts × group", "held-out pass@1, first", "last", "best"], rows),
    ),
  );
}

// Which detectors of reward hacking raised an alarm, and when; those that did not are named below.
function alarmSection() {
  const several = TRAININGS.length > 1;
  const rows = [],
    quiet = [];
  for (const run of TRAININGS) {
    for (const one of run.detectors) {
      if (one.alarms)
        rows.push([
          ...(several ? [[swatch(run.colour), run.name]] : []),
          one.name.replace(/_/g, " "),
          element("span", { class: "worse" }, `${one.alarms} of ${plural(one.looks, "look")}`),
          stretchesOf(one),
        ]);
    }
    const silent = run.detectors.filter((one) => !one.alarms).map((one) => one.name.replace(/_/g, " "));
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

function stretchesOf({ stretches }, most = 5) {
  const said = stretches
    .slice(0, most)
    .map(([first, last]) => (first === last ? String(first) : `${first} to ${last}`));
  return said.join(", ") + (stretches.length > most ? ", …" : "");
}

const DASHES = [null, "5 3", "2 3", "8 3 2 3"];

function trainingCards() {
  const titles = [...new Set(TRAININGS.flatMap((run) => run.panels.map((panel) => panel.title)))];
  return element(
    "section",
    { class: "cards" },
    titles.map((title) => {
      const series = TRAININGS.flatMap((run) => {
        const panel = run.panels.find((one) => one.title === title);
        return panel ? panel.lines.map((line, index) => trainingLine(run, panel, line, index)) : [];
      });
      const alone = series.every((one) => title.startsWith(one.label));
      return lineChart({ title, series, xLabel: "step", alone });
    }),
  );
}

function trainingLine(run, panel, line, index) {
  const alone = TRAININGS.length === 1;
  return {
    label: alone ? line.label : `${run.name}, ${line.label}`,
    colour: alone ? runColour(index) : run.colour,
    dash: alone ? null : DASHES[index % DASHES.length],
    points: line.points,
    band: index === 0 ? panel.band : [],
  };
}
