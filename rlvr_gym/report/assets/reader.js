// The sample that is read: what it earned, what was expected, what was said.
function showReader() {
  const sample = state.selected,
    reader = byId("reader"),
    same = reader.dataset.key === sample?.key,
    place = same ? reader.scrollTop : 0;
  reader.dataset.key = sample ? sample.key : "";
  if (!same) reader.scrollTop = 0;
  if (!sample) return reader.replaceChildren(element("p", { class: "empty" }, "No sample is like that."));
  reader.replaceChildren(tools(sample), ...VIEWS[state.view](sample).filter((part) => part !== null));
  if (place) reader.scrollTop = place;
  const chosen = reader.querySelector(".member[aria-selected='true']");
  if (chosen) chosen.scrollIntoView({ block: "nearest" });
}

const VIEWS = { sample: sampleView, group: groupView, times: timesView, beside: besideView };

function view(name) {
  state.view = state.view === name ? "sample" : name;
  showReader();
}

function tools(sample) {
  const size = sample.group.samples.length,
    times = sameTask(sample).length;
  const views = [
    ["group", "grouped", `All ${size} of this prompt`],
    ["times", "across", `This task ${times} times`],
    ["beside", "beside", state.pinned ? "Beside the pinned one" : "Pin to compare"],
  ].filter(([name]) => name !== "times" || times > 1);
  return element(
    "div",
    { class: "tools" },
    button("‹ List", { id: "back", click: () => delete document.body.dataset.reading }),
    button("Previous", { id: "previous", click: () => move(-1) }),
    button("Next", { id: "next", click: () => move(1) }),
    views.map(([name, id, label]) =>
      button(state.view === name ? "This sample alone" : label, {
        id,
        "aria-pressed": String(state.view === name),
        click: VIEW_ACTIONS[name],
      }),
    ),
    button("Raw text", { id: "raw", "aria-pressed": String(state.raw), click: toggleRaw }),
    button("Copy link", { id: "link", click: (event) => copyLink(event, sample) }),
    labelButtons(sample),
    element("span", { class: "keys" }, keysSaid()),
  );
}

function keysSaid() {
  return [
    [["j", "k"], "sample"],
    [["n", "p"], "prompt"],
    [["g"], "group"],
    [["t"], "task"],
    [["b"], "beside"],
    [["r"], "raw"],
    [["h", "f", "u"], "label"],
    [["/"], "search"],
  ].map(([names, what]) => [names.map((name) => [key(name), " "]), `${what}  `]);
}

const VIEW_ACTIONS = {
  group: () => view("group"),
  times: () => view("times"),
  beside: pinOrCompare,
};

// Pins the sample, to stand beside those that are selected from now on; once more, and it is let go.
function pinOrCompare() {
  state.pinned = state.view === "beside" ? null : state.pinned || state.selected;
  view("beside");
}

function toggleRaw() {
  state.raw = !state.raw;
  showReader();
}

function facts(sample, ...first) {
  const copies = copiesOf(CLUSTERS.get(sample.cluster));
  const said = [
    sample.score === null ? "no score" : `score ${short(sample.score)}`,
    "reward" in sample ? `reward ${sample.reward === null ? "none" : short(sample.reward)}` : null,
    "advantage" in sample ? `advantage ${signed(sample.advantage, 3)}` : null,
    sample.tokens === null ? null : plural(sample.tokens, "token"),
    "calls" in sample ? [plural(sample.calls, "call"), ...sample.uncalled].join(", ") : null,
    sample.finish === "length" ? "truncated" : sample.finish === "error" ? "the sampler failed" : null,
  ];
  return element(
    "div",
    { class: "facts" },
    first,
    element("span", { class: `badge ${sample.outcome}` }, sample.outcome),
    badges(sample),
    said.filter((fact) => fact !== null).map((fact) => element("span", null, fact)),
    copies
      ? button(copies, {
          class: "chip alone copies",
          title: "Show these near-duplicates",
          click: () => showWhere(`cluster = ${sample.cluster}`),
        })
      : null,
  );
}

function whereOf(sample) {
  const { group } = sample;
  return [
    RUNS.length > 1 ? sample.run.name : null,
    group.step === null ? null : `step ${group.step}`,
    `task ${oneLine(group.task)}`,
    `sample ${sample.sample}`,
  ]
    .filter(Boolean)
    .join(", ");
}

function heading(sample) {
  return element(
    "div",
    { class: "heading" },
    element("h2", { class: "task" }, oneLine(sample.group.title)),
    element("span", { class: "whereabouts" }, whereOf(sample)),
  );
}

function said(text, places) {
  const source = sourceOf(text, places);
  return state.raw ? rawText(source) : rendered(source);
}

function turn(message, kind, places) {
  return element(
    "div",
    { class: `turn ${kind}` },
    element("h3", null, message.role),
    said(message.content, places),
  );
}

// The answer that was read beside the one that was expected.
function answers(sample) {
  const cell = (title, text, missing, kind) =>
    element(
      "div",
      { class: kind },
      element("h3", null, title),
      element("pre", { class: "said" }, text ? seen(text) : element("i", null, missing)),
    );
  const read =
    sample.answer === null && sample.outcome === "malformed" ? "no answer could be read" : "not recorded";
  return element(
    "div",
    { class: `answers ${sample.outcome}` },
    cell("expected", sample.expected, "not known, or not to be published", "expected"),
    cell(sample.places.length ? "read, where it is marked below" : "read", sample.answer, read, "was-read"),
  );
}

function sampleView(sample) {
  const { group } = sample,
    last = sample.turns.length - 1;
  return [
    heading(sample),
    facts(sample),
    answers(sample),
    ...prompts(sample),
    ...sample.turns.map((message, index) =>
      index === last ? turn(message, `completion ${sample.outcome}`, sample.places) : turn(message, ""),
    ),
    verdict(sample),
    metadata(group),
  ];
}

function verdict(sample) {
  const rows = [
    ["outcome", sample.outcome],
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
    element("pre", { class: "said" }, seen(known.map(([name, value]) => `${name}: ${value}`).join("\n"))),
  );
}
