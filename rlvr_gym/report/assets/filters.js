// What chooses and orders the samples shown.
function showFilters() {
  const search = byId("search"),
    filter = byId("filter"),
    order = byId("order");
  search.addEventListener("input", () => {
    state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    filterSamples();
  });
  filter.addEventListener("input", readExpressions);
  order.addEventListener("input", readExpressions);
  byId("fields").append(
    ...Object.entries(FIELDS)
      .filter(([, [type]]) => type === "number")
      .flatMap(([name]) => [name, `-${name}`])
      .map((value) => element("option", { value })),
  );
  byId("run-filter").addEventListener("change", (event) => {
    state.run = event.target.value;
    filterSamples();
  });
  byId("fold").addEventListener("click", toggleFolded);
  byId("export-labels").addEventListener("click", exportLabels);
  byId("reset-filters").addEventListener("click", resetFilters);
}

// What there is to choose from, as the data have it.
function showChoices() {
  const counts = new Map();
  for (const sample of SAMPLES) counts.set(sample.outcome, (counts.get(sample.outcome) || 0) + 1);
  const truncated = SAMPLES.filter((sample) => sample.finish === "length").length;
  const chips = OUTCOMES.filter((outcome) => counts.has(outcome)).map((outcome) =>
    outcomeChip(outcome, counts.get(outcome)),
  );
  if (truncated) chips.push(truncatedChip(truncated));
  byId("outcome-filter").replaceChildren(...chips);
  const choices = [["", "all runs"], ...RUNS.map((run) => [String(run.index), run.name])];
  byId("run-filter").replaceChildren(
    ...choices.map(([value, label]) =>
      element("option", { value, selected: value === state.run ? "" : null }, label),
    ),
  );
  byId("run-filter").hidden = RUNS.length < 2;
  showLabelCount();
}

function resetFilters() {
  Object.assign(state, { outcomes: new Set(OUTCOMES), truncated: false, run: "", words: [], folded: false });
  for (const id of ["search", "filter", "order"]) byId(id).value = "";
  byId("fold").setAttribute("aria-pressed", "false");
  showChoices();
  readExpressions();
}

// Reads both expressions. What cannot be read is said, and until it can be the samples stay as they were.
function readExpressions() {
  const problems = [];
  for (const [id, name, read] of [
    ["filter", "filter", readFilter],
    ["order", "order", readOrder],
  ]) {
    const text = byId(id).value.trim();
    try {
      state[name] = text ? read(text) : null;
      byId(id).removeAttribute("aria-invalid");
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      problems.push(`${name === "filter" ? "Filter" : "Order"}: ${error.message}.`);
      byId(id).setAttribute("aria-invalid", "true");
    }
  }
  byId("problem").textContent = problems.join(" ");
  byId("problem").hidden = !problems.length;
  filterSamples();
}

// Shows the samples that an expression says, of one run or of all.
function showWhere(expression, run = "") {
  resetFilters();
  state.run = run === "" ? "" : String(run);
  byId("run-filter").value = state.run;
  byId("filter").value = expression;
  readExpressions();
  show("samples");
}

function toggleFolded() {
  state.folded = !state.folded;
  byId("fold").setAttribute("aria-pressed", String(state.folded));
  filterSamples();
}

function outcomeChip(outcome, count) {
  const chip = button([swatch(`var(--${outcome})`), `${outcome} ${count.toLocaleString("en")}`], {
    class: `chip ${outcome}`,
    id: `outcome-${outcome}`,
    "aria-pressed": String(state.outcomes.has(outcome)),
    title: "Show or hide; with Shift, show these alone",
  });
  chip.addEventListener("click", (event) => {
    if (event.shiftKey) state.outcomes = new Set([outcome]);
    else if (!state.outcomes.delete(outcome)) state.outcomes.add(outcome);
    for (const one of OUTCOMES)
      byId(`outcome-${one}`)?.setAttribute("aria-pressed", String(state.outcomes.has(one)));
    filterSamples();
  });
  return chip;
}

function truncatedChip(count) {
  const chip = button(`only truncated ${count.toLocaleString("en")}`, {
    class: "chip alone",
    id: "truncated-alone",
    "aria-pressed": String(state.truncated),
  });
  chip.addEventListener("click", () => {
    state.truncated = !state.truncated;
    chip.setAttribute("aria-pressed", String(state.truncated));
    filterSamples();
  });
  return chip;
}
