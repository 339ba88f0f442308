// Several samples side by side: those of a prompt, those of a task over the steps of a run, and any two.
function sameTask(sample) {
  const order = (one, other) => one.run - other.run || (one.step ?? 0) - (other.step ?? 0);
  return [...TASKS.get(taskKey(sample.group))].sort(order);
}

function rightOf(samples) {
  const right = samples.filter((sample) => sample.outcome === "correct").length;
  return `${right} of ${samples.length} right`;
}

function groupView(sample) {
  const { members } = sample.group;
  return [
    heading(sample),
    element("div", { class: "facts" }, element("span", null, rightOf(members))),
    ...prompts(sample),
    memberCards(members),
    metadata(sample.group),
  ];
}

// A task at every step it was recorded at, and in every run: how often it was right, and what was said.
function timesView(sample) {
  const sections = sameTask(sample).map((group) => {
    const { members } = group;
    const where = [
      RUNS.length > 1 ? RUNS[group.run].name : null,
      group.step === null ? "evaluation" : `step ${group.step}`,
      rightOf(members),
    ];
    const title = element("h3", null, where.filter(Boolean).join(", "));
    return element("section", { class: "time" }, title, strip(members), memberCards(members.slice(0, 4)));
  });
  return [heading(sample), ...sections];
}

// A bar with a part for each sample, in the colour of its outcome.
function strip(members) {
  return element(
    "div",
    { class: "strip" },
    members.map((member) =>
      button("", {
        class: member.outcome,
        title: `#${member.sample}, ${member.outcome}`,
        "aria-label": `sample ${member.sample}, ${member.outcome}`,
        click: () => open(member),
      }),
    ),
  );
}

function open(sample) {
  if (!state.shown.includes(sample)) resetFilters();
  select(sample);
}

function memberCards(samples) {
  const reach = Math.max(1e-9, ...samples.map((one) => Math.abs(one.advantage || 0)));
  return element(
    "div",
    { class: "group" },
    samples.map((one) => member(one, reach)),
  );
}

function member(sample, reach) {
  return element(
    "article",
    {
      class: `member ${sample.outcome}`,
      "aria-selected": String(sample === state.selected),
      click: () => open(sample),
    },
    facts(sample, element("b", null, `#${sample.sample}`)),
    "advantage" in sample ? advantageBar(sample.advantage, reach) : null,
    said(final(sample), sample.places),
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

// The pinned sample beside the selected one; a prompt that both answer stands above them.
function besideView(sample) {
  const { pinned } = state;
  if (sample === pinned)
    return [
      element("p", { class: "note" }, "Select any other sample: it stands beside the pinned one."),
      side(sample),
    ];
  const shared = pinned.group === sample.group;
  const columns = [pinned, sample].map((one) => side(one, one === pinned ? "pinned" : "selected", !shared));
  return [...(shared ? prompts(sample) : []), element("div", { class: "beside" }, columns)];
}

function prompts(sample) {
  return sample.group.prompt.map((message) => turn(message, "prompt"));
}

function side(sample, name = "pinned", prompted = true) {
  return element(
    "section",
    { class: "side" },
    element("h3", null, name),
    heading(sample),
    facts(sample),
    answers(sample),
    prompted ? prompts(sample) : null,
    turn({ role: "completion", content: final(sample) }, `completion ${sample.outcome}`, sample.places),
  );
}
