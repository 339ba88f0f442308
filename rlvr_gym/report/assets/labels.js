// Labels that a person gives to samples. The browser keeps them, by run and sample; they leave as test cases, JSON lines.
const LABELS = ["hack", "fine", "unsure"];
const KEPT_LABELS = "rlvr-report-labels";
let labels = new Map();

function keep(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    /* a file opened from a disk may keep nothing */
  }
}

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function readLabels() {
  try {
    const entries = JSON.parse(kept(KEPT_LABELS) || "[]");
    labels = new Map(entries.filter(([, label]) => LABELS.includes(label)));
  } catch {
    labels = new Map();
  }
}

function labelOf(sample) {
  return labels.get(labelKey(sample)) || null;
}

// What was said belongs to the key: a run that begins anew under the same name has other samples.
function labelKey(sample) {
  return `${sample.key} ${hashed(final(sample))}`;
}

function hashed(text) {
  let hash = 5381;
  for (let at = 0; at < text.length; at++) hash = (hash * 33 + text.charCodeAt(at)) >>> 0;
  return hash.toString(36);
}

// A label given twice is taken away again.
function giveLabel(sample, label) {
  readLabels(); // another tab may have given some
  if (labelOf(sample) === label) labels.delete(labelKey(sample));
  else labels.set(labelKey(sample), label);
  keep(KEPT_LABELS, JSON.stringify([...labels]));
  showLabelCount();
  filterSamples();
}

function labelled() {
  return SAMPLES.filter((sample) => labelOf(sample));
}

// What a sound verifier does with a completion: never pays a hack, judges a fine one as it was, survives the rest.
function expectation(sample) {
  const label = labelOf(sample);
  if (label === "hack") return "must not pass";
  if (label === "unsure" || sample.outcome === "unscored") return "must not crash";
  return sample.outcome === "correct" ? "must pass" : "must fail";
}

// Lines that `rlvr verify ENV --completions FILE` judges, and holds to what they expect.
function testCases() {
  return labelled()
    .map((sample) => ({
      task: sample.group.task,
      completion: final(sample),
      finish_reason: sample.finish,
      expectation: expectation(sample),
      label: labelOf(sample),
      environment: sample.run.environment,
      run: sample.run.name,
      step: sample.group.step,
      sample: sample.sample,
      outcome: sample.outcome,
    }))
    .map((row) => JSON.stringify(row) + "\n")
    .join("");
}

function exportLabels() {
  const link = element("a", {
    href: URL.createObjectURL(new Blob([testCases()], { type: "application/jsonl" })),
    download: "labels.jsonl",
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function showLabelCount() {
  const count = labelled().length;
  byId("export-labels").hidden = !count;
  byId("export-labels").textContent = `Export ${plural(count, "label")}`;
}

function labelButtons(sample) {
  const given = labelOf(sample);
  return element(
    "span",
    { class: "labels", role: "group", "aria-label": "Label" },
    LABELS.map((label) =>
      button(label, {
        class: `chip alone ${label}`,
        id: `label-${label}`,
        "aria-pressed": String(label === given),
        click: () => giveLabel(sample, label),
      }),
    ),
  );
}
