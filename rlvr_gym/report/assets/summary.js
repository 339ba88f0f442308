// The first view: what the runs say in numbers and curves. Runs of the same tasks share tables and pictures.
function showSummary() {
  const place = byId("summary").scrollTop;
  const sections = [
    unlikeNote(),
    ...setsOf("evaluation").flatMap(evaluationSections),
    ...setsOf("training").flatMap(trainingSections),
    ...["evaluation", "training"].map(settingsSection),
  ];
  byId("summary").replaceChildren(...sections.filter((section) => section !== null));
  byId("summary").scrollTop = place;
}

// The runs of a kind that may stand in one picture, together.
function setsOf(kind) {
  const sets = new Map();
  for (const run of ofKind(kind)) sets.set(run.set, [...(sets.get(run.set) || []), run]);
  return [...sets.values()];
}

function unlikeNote() {
  const count = Math.max(setsOf("evaluation").length, setsOf("training").length);
  if (count < 2) return null;
  const said =
    "Not all of these runs ask the same tasks. Those that do stand together and are compared; the others stand apart.";
  return element("section", null, element("p", { class: "note", id: "unlike" }, said));
}

function setTitle(title, kind, runs) {
  return setsOf(kind).length > 1
    ? `${title} on ${runs[0].environment || "tasks of an unknown environment"}`
    : title;
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
