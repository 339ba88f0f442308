// The second view: every sample to read. The list holds as many rows as fit on the screen, whatever the number of samples.
const ROW = 52;
const SAMPLES = DATA.groups.flatMap((group, place) =>
  group.samples.map((sample) => ({ ...sample, group, place })),
);
const state = {
  outcomes: new Set(OUTCOMES),
  truncated: false,
  run: "",
  words: [],
  shown: [],
  selected: null,
  grouped: false,
};

function searchable(sample) {
  if (sample.text === undefined) {
    const said = [...sample.group.prompt, ...sample.turns].map((turn) => turn.content);
    sample.text = [sample.group.task, sample.answer || "", sample.detail, ...said].join("\n").toLowerCase();
  }
  return sample.text;
}

function isShown(sample) {
  return (
    state.outcomes.has(sample.outcome) &&
    (state.run === "" || sample.group.run === Number(state.run)) &&
    (!state.truncated || sample.finish === "length") &&
    state.words.every((word) => searchable(sample).includes(word))
  );
}

function filterSamples() {
  state.shown = SAMPLES.filter(isShown);
  const total = RUNS.reduce((sum, run) => sum + run.samples, 0);
  const held = total > SAMPLES.length ? `, of ${total.toLocaleString("en")} in all` : "";
  byId("count").textContent =
    `${state.shown.length.toLocaleString("en")} of ${plural(SAMPLES.length, "sample")}${held}`;
  byId("rows").style.height = `${state.shown.length * ROW}px`;
  if (!state.shown.includes(state.selected)) state.selected = state.shown[0] || null;
  keepInView();
  showRows();
  showReader();
}

function select(sample) {
  if (!sample) return;
  state.selected = sample;
  keepInView();
  showRows();
  showReader();
}

function keepInView() {
  const list = byId("list"),
    top = state.shown.indexOf(state.selected) * ROW;
  if (top < list.scrollTop) list.scrollTop = Math.max(0, top);
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
}

function showRows() {
  const list = byId("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
  const last = Math.min(state.shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 4);
  byId("rows").replaceChildren(
    ...state.shown.slice(first, last).map((sample, offset) => row(sample, first + offset)),
  );
}

function row(sample, index) {
  const { group } = sample;
  const step = group.step === null ? "" : `step ${group.step}`;
  const final = sample.turns[sample.turns.length - 1].content.replace(/\s+/g, " ").trim();
  const node = element(
    "div",
    {
      class: `row ${sample.outcome}`,
      role: "option",
      "aria-selected": String(sample === state.selected),
      click: () => select(sample),
    },
    element(
      "div",
      { class: "where" },
      RUNS.length > 1 ? swatch(RUNS[group.run].colour) : null,
      element("b", null, group.task),
      element("span", null, [step, `#${sample.sample}`, sample.outcome].filter(Boolean).join(" · ")),
    ),
    element("div", { class: "what" }, excerpt(sample.answer, final)),
  );
  return styled(node, { top: `${index * ROW}px` });
}

// The beginning of a completion, after the answer that was read from it where that is not all of it.
function excerpt(answer, text) {
  const read = answer === null || answer.trim() === text ? "" : `${answer} ← `;
  return read + (text.slice(0, 160) || "(nothing)");
}

// Moves to another sample of those shown, or with `groups` to the first shown of another prompt.
function move(by, groups) {
  const { shown, selected } = state;
  let index = shown.indexOf(selected) + by;
  if (groups) {
    while (shown[index] && shown[index].group === selected.group) index += by;
    while (by < 0 && shown[index] && shown[index - 1] && shown[index - 1].group === shown[index].group)
      index -= 1;
  }
  select(shown[Math.max(0, Math.min(shown.length - 1, index))]);
}

function showReader() {
  const sample = state.selected,
    reader = byId("reader");
  reader.scrollTop = 0;
  if (!sample) return reader.replaceChildren(element("p", { class: "empty" }, "No sample is like that."));
  const parts = state.grouped ? groupView(sample) : sampleView(sample);
  reader.replaceChildren(tools(sample), ...parts.filter((part) => part !== null));
  const chosen = reader.querySelector(".member[aria-selected='true']");
  if (chosen) chosen.scrollIntoView({ block: "nearest" });
}

function tools(sample) {
  const size = sample.group.samples.length;
  const key = (name) => element("kbd", null, name);
  return element(
    "div",
    { class: "tools" },
    element("button", { type: "button", id: "previous", click: () => move(-1) }, "Previous"),
    element("button", { type: "button", id: "next", click: () => move(1) }, "Next"),
    element(
      "button",
      { type: "button", id: "grouped", "aria-pressed": String(state.grouped), click: toggleGroup },
      state.grouped ? "This sample alone" : `All ${size} of this prompt`,
    ),
    element(
      "span",
      { class: "keys" },
      key("j"),
      " ",
      key("k"),
      " sample  ",
      key("n"),
      " ",
      key("p"),
      " prompt  ",
      key("g"),
      " group  ",
      key("/"),
      " search",
    ),
  );
}

function toggleGroup() {
  state.grouped = !state.grouped;
  showReader();
}

function facts(sample, ...first) {
  const said = [
    sample.score === null ? "no score" : `score ${short(sample.score)}`,
    "reward" in sample ? `reward ${sample.reward === null ? "none" : short(sample.reward)}` : null,
    "advantage" in sample ? `advantage ${signed(sample.advantage, 3)}` : null,
    sample.tokens === null ? null : plural(sample.tokens, "token"),
    sample.finish === "length" ? "truncated" : sample.finish === "error" ? "the sampler failed" : null,
  ];
  return element(
    "div",
    { class: "facts" },
    first,
    element("span", { class: `badge ${sample.outcome}` }, sample.outcome),
    said.filter((fact) => fact !== null).map((fact) => element("span", null, fact)),
  );
}

function heading(sample) {
  const { group } = sample,
    run = RUNS[group.run];
  const where = [RUNS.length > 1 ? run.name : null, group.step === null ? null : `step ${group.step}`]
    .filter(Boolean)
    .join(", ");
  return element("span", { class: "task" }, group.task, where ? ` (${where})` : "");
}

function turn(message, kind) {
  return element(
    "div",
    { class: `turn ${kind}` },
    element("h3", null, message.role),
    element("pre", { class: "said" }, marked(message.content)),
  );
}

// The text with what is searched for marked.
function marked(text) {
  if (!state.words.length || text.length > 200000) return [text];
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return [text];
  const nodes = [];
  let from = 0;
  while (from < text.length) {
    const hits = state.words
      .map((word) => [lower.indexOf(word, from), word.length])
      .filter(([place]) => place >= 0);
    if (!hits.length) break;
    const [place, length] = hits.reduce((best, hit) => (hit[0] < best[0] ? hit : best));
    nodes.push(text.slice(from, place), element("mark", null, text.slice(place, place + length)));
    from = place + length;
  }
  return [...nodes, text.slice(from)];
}

function sampleView(sample) {
  const { group } = sample,
    last = sample.turns.length - 1;
  const turns = sample.turns.map((message, index) =>
    turn(message, index === last ? `completion ${sample.outcome}` : ""),
  );
  return [
    facts(sample, heading(sample), element("span", null, `sample ${sample.sample}`)),
    ...group.prompt.map((message) => turn(message, "prompt")),
    ...turns,
    verdict(sample),
    metadata(group),
  ];
}

function verdict(sample) {
  const rows = [
    ["outcome", sample.outcome],
    ["answer as read", sample.answer],
    ["expected", sample.expected],
    ["detail", sample.detail],
  ];
  for (const [name, part] of Object.entries(sample.parts || {})) {
    rows.push([
      `part: ${name}`,
      [part.outcome, part.score === null ? null : `score ${short(part.score)}`, part.detail]
        .filter(Boolean)
        .join(", "),
    ]);
  }
  return listing("verdict", rows);
}

function metadata(group) {
  const rows = Object.entries(group.metadata).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return rows.length ? listing("task metadata", rows) : null;
}

function listing(title, rows) {
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element(
    "div",
    { class: "turn" },
    element("h3", null, title),
    element("pre", { class: "said" }, known.map(([name, value]) => `${name}: ${value}`).join("\n")),
  );
}

function groupView(sample) {
  const { group } = sample,
    run = RUNS[group.run];
  const scored = group.samples.filter((one) => one.score !== null);
  const right = scored.filter((one) => one.outcome === "correct").length;
  const recorded =
    run.group_size && run.group_size > group.samples.length
      ? `; ${group.samples.length} of the ${run.group_size} are recorded (run.samples_per_step)`
      : "";
  const summary = `${right} of ${scored.length} right${recorded}`;
  const members = SAMPLES.filter((one) => one.group === group);
  const reach = Math.max(...members.map((one) => Math.abs(one.advantage || 0)), 1e-9);
  return [
    element("div", { class: "facts" }, heading(sample), element("span", null, summary)),
    ...group.prompt.map((message) => turn(message, "prompt")),
    element(
      "div",
      { class: "group" },
      members.map((one) => member(one, reach)),
    ),
  ];
}

function member(sample, reach) {
  const final = sample.turns[sample.turns.length - 1].content;
  return element(
    "article",
    {
      class: `member ${sample.outcome}`,
      "aria-selected": String(sample === state.selected),
      click: () => select(sample),
    },
    facts(sample, element("b", null, `#${sample.sample}`)),
    "advantage" in sample ? advantageBar(sample.advantage, reach) : null,
    element("pre", { class: "said" }, marked(final)),
  );
}

// To the right of the middle where the policy is pushed towards a completion, to the left where away from it.
function advantageBar(advantage, reach) {
  const half = (50 * Math.abs(advantage)) / reach;
  const bar = styled(element("i", null), {
    left: `${advantage < 0 ? 50 - half : 50}%`,
    width: `${half}%`,
    background: advantage < 0 ? "var(--incorrect)" : "var(--correct)",
  });
  return element("div", { class: "advantage", title: `advantage ${signed(advantage, 3)}` }, bar);
}

function showFilters() {
  const counts = new Map();
  for (const sample of SAMPLES) counts.set(sample.outcome, (counts.get(sample.outcome) || 0) + 1);
  const truncated = SAMPLES.filter((sample) => sample.finish === "length").length;
  const chips = OUTCOMES.filter((outcome) => counts.has(outcome)).map((outcome) =>
    outcomeChip(outcome, counts.get(outcome)),
  );
  if (truncated) chips.push(truncatedChip(truncated));
  byId("outcome-filter").append(...chips);
  const choices = [["", "all runs"], ...RUNS.map((run) => [String(run.index), run.name])];
  byId("run-filter").append(...choices.map(([value, label]) => element("option", { value }, label)));
  byId("run-filter").hidden = RUNS.length < 2;
  byId("run-filter").addEventListener("change", (event) => {
    state.run = event.target.value;
    filterSamples();
  });
  byId("search").addEventListener("input", (event) => {
    state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    filterSamples();
  });
}

function outcomeChip(outcome, count) {
  const chip = element(
    "button",
    {
      type: "button",
      class: `chip ${outcome}`,
      id: `outcome-${outcome}`,
      "aria-pressed": "true",
      title: "Show or hide; with Shift, show these alone",
    },
    swatch(`var(--${outcome})`),
    `${outcome} ${count.toLocaleString("en")}`,
  );
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
  const chip = element(
    "button",
    { type: "button", class: "chip alone", id: "truncated-alone", "aria-pressed": "false" },
    `only truncated ${count.toLocaleString("en")}`,
  );
  chip.addEventListener("click", () => {
    state.truncated = !state.truncated;
    chip.setAttribute("aria-pressed", String(state.truncated));
    filterSamples();
  });
  return chip;
}
