// What evaluations say: tables, curves and bars, of those together that ask the same tasks.
function at(run, k) {
  return run.curve.find((point) => point.k === k);
}

function evaluationSections(runs) {
  const names = new Set(runs.map((run) => run.name));
  return [
    evaluationTable(runs),
    evaluationCards(runs),
    ...COMPARISONS.filter((one) => names.has(one.second)).map(comparisonSection),
  ];
}

function evaluationTable(runs) {
  const ks = [...new Set(runs.flatMap((run) => run.reported))].sort((a, b) => a - b);
  const headings = [
    "evaluation",
    "tasks × samples",
    ...ks.map((k) => `pass@${k}`),
    "truncated",
    "tokens",
    "unscored",
  ];
  const rows = runs.map((run) => [
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
    setTitle("Evaluations", "evaluation", runs),
    element("div", { class: "card" }, table(headings, rows), samplingNotes(runs), noiseNotes(runs)),
  );
}

// What is true of all runs at once, or of each by name.
function notes(runs, of) {
  const said = runs.map((run) => [run, of(run)]).filter(([, text]) => text !== null);
  const alike = said.length === runs.length && new Set(said.map(([, text]) => text)).size === 1;
  return alike ? said[0][1] : said.map(([run, text]) => `${run.name}: ${text}`).join("; ");
}

function samplingNotes(runs) {
  const said = notes(runs, (run) =>
    Object.entries(run.sampling)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
  return element("p", { class: "note" }, `Sampling: ${said}.`);
}

function noiseNotes(runs) {
  const said = notes(runs, ({ noise }) =>
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

function evaluationCards(runs) {
  const lengths = runs.filter((run) => run.lengths);
  return element(
    "section",
    { class: "cards" },
    curves(runs),
    outcomeShares(runs),
    ...lengths.map((run) => lengthCard(run, named(runs, run, "Length by outcome"))),
    solvedCard(runs),
    ...breakdownCards(runs),
  );
}

function named(runs, run, title) {
  return runs.length > 1 ? `${title}: ${run.name}` : title;
}

function curves(runs) {
  const series = runs.map((run) => ({
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

function outcomeShares(runs) {
  const bars = runs.map((run) => {
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
      runs.length > 1 ? element("small", null, swatch(run.colour), run.name) : null,
      element("div", { class: "stack" }, parts),
      element("p", { class: "note" }, `${said}; ${percent(run.truncation)} truncated`),
      run.tools ? element("p", { class: "note" }, calls(run.tools)) : null,
    );
  });
  const seen = OUTCOMES.filter((outcome) => runs.some((run) => run.outcomes[outcome]));
  return card("Outcomes", bars, legend(seen.map((outcome) => [outcome, `var(--${outcome})`])));
}

function lengthCard(run, title) {
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
    title,
    parts,
    bars,
    labelOf: shortLabel,
    xLabel: "tokens",
    limit: max_tokens / width,
    note: `Medians: ${middle}. ${percent(run.truncation)} ran into max_tokens, ${max_tokens.toLocaleString("en")}.`,
  });
}

function solvedCard(runs) {
  const parts = runs.map((run) => ({ label: run.name, colour: run.colour }));
  const labels = ["never", ...Array.from({ length: 10 }, (_, bin) => `${bin * 10} %`), "always"];
  const bars = labels.map((_, bin) => runs.map((run) => run.solved[bin]));
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

function breakdownCards(runs) {
  const keys = [...new Set(runs.flatMap((run) => run.breakdowns.map((one) => one.key)))];
  return keys.map((key) => {
    const labels = [],
      points = Object.create(null);
    for (const run of runs) {
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

function calls(tools) {
  return (
    `${tools.calls.toFixed(2)} calls an episode, ${percent(tools.calling)} of which call: ` +
    `${percent(tools.malformed)} malformed, ${percent(tools.failed)} failed, ${percent(tools.refused)} refused; ` +
    `${tools.seconds.toFixed(2)} s an episode`
  );
}
