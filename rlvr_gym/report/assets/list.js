// The list of samples. It holds as many rows as fit on the screen, whatever the number of samples.
const ROW = 58;
const state = {
  outcomes: new Set(OUTCOMES),
  truncated: false,
  run: "",
  words: [],
  filter: null,
  order: null,
  folded: false,
  copies: new Map(),
  shown: [],
  selected: null,
  view: "sample",
  raw: false,
  pinned: null,
};

function searchable(sample) {
  if (sample.searched === undefined) {
    const said = [...sample.group.prompt, ...sample.turns].map((turn) => turn.content);
    sample.searched = [sample.group.task, sample.answer || "", sample.detail, ...said]
      .join("\n")
      .toLowerCase();
  }
  return sample.searched;
}

function isShown(sample) {
  return (
    state.outcomes.has(sample.outcome) &&
    (state.run === "" || sample.group.run === Number(state.run)) &&
    (!state.truncated || sample.finish === "length") &&
    (!state.filter || state.filter(sample)) &&
    state.words.every((word) => searchable(sample).includes(word))
  );
}

function filterSamples() {
  let shown = SAMPLES.filter(isShown);
  const said = `${shown.length.toLocaleString("en")} of ${plural(SAMPLES.length, "sample")}`;
  if (state.order) shown.sort(state.order);
  if (state.folded) shown = foldCopies(shown);
  state.shown = shown;
  const total = RUNS.reduce((sum, run) => sum + run.samples, 0);
  const held = total > SAMPLES.length ? `, of ${total.toLocaleString("en")} in all` : "";
  byId("count").textContent =
    said + held + (state.folded ? `, ${shown.length.toLocaleString("en")} unlike` : "");
  byId("rows").style.height = `${state.shown.length * ROW}px`;
  if (!state.shown.includes(state.selected)) state.selected = state.shown[0] || null;
  keepInView();
  showRows();
  showReader();
}

// One sample of each cluster of near-duplicates, with how many there are of those shown, the largest cluster first.
function foldCopies(samples) {
  state.copies = new Map();
  const firsts = new Map();
  for (const sample of samples) {
    countCopy(state.copies, sample);
    if (!firsts.has(sample.cluster)) firsts.set(sample.cluster, sample);
  }
  const found = [...firsts.values()];
  const size = (sample) => state.copies.get(sample.cluster).copies;
  return state.order ? found : found.sort((one, other) => size(other) - size(one));
}

function select(sample) {
  if (!sample) return;
  state.selected = sample;
  keepInView();
  showRows();
  showReader();
  noteInAddress();
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
  const copies = state.folded ? copiesOf(state.copies.get(sample.cluster)) : "";
  const node = element(
    "div",
    {
      class: `row ${sample.outcome}`,
      role: "option",
      "aria-selected": String(sample === state.selected),
      title: `task ${oneLine(group.task)}`,
      click: () => {
        select(sample);
        document.body.dataset.reading = "yes"; // on a phone, the sample takes the place of the list
      },
    },
    element(
      "div",
      { class: "where" },
      RUNS.length > 1 ? swatch(sample.run.colour) : null,
      element("b", null, oneLine(group.title)),
      element("span", null, [step, `#${sample.sample}`, sample.outcome].filter(Boolean).join(" · ")),
    ),
    element(
      "div",
      { class: "what" },
      copies ? element("span", { class: "copies" }, copies) : null,
      badges(sample),
      excerpt(sample),
    ),
  );
  return styled(node, { top: `${index * ROW}px` });
}

function badges(sample) {
  const label = labelOf(sample);
  return [
    label ? element("span", { class: `label ${label}` }, label) : null,
    (sample.flags || []).map((flag) => element("span", { class: "flag" }, flagName(flag))),
  ];
}

function flagName(flag) {
  return flag.replace(/_/g, " ");
}

// The beginning of a completion, after the answer that was read from it where that is not all of it.
function excerpt(sample) {
  const text = oneLine(
      final(sample)
        .split(/<\/\s*think(?:ing)?\s*>/i)
        .pop(),
    ), // behind the thinking, if it ends
    answer = sample.answer === null ? "" : oneLine(sample.answer, 60);
  return (answer && answer !== text ? `${answer} ← ` : "") + (text || "(nothing)");
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
