// The part of the address behind #: which sample is looked at, beside which other, and by which filter. A link to it
// opens the report there.
let noting = 0;

function addressOf(sample) {
  const [run, step, task, number] = JSON.parse(sample.key);
  const said = new URLSearchParams({ run, ...(step === null ? {} : { step }), task, sample: number });
  return `#${said}`;
}

function sampleAt(said) {
  const step = said.has("step") ? Number(said.get("step")) : null;
  return BY_KEY.get(JSON.stringify([said.get("run"), step, said.get("task"), Number(said.get("sample"))]));
}

// A browser takes few changes of the address in a short time: it is told where a reader stays.
function noteInAddress() {
  clearTimeout(noting);
  noting = setTimeout(() => {
    if (state.selected && !byId("samples").hidden) history.replaceState(null, "", addressOf(state.selected));
  }, 200);
}

// Opens what the address says, if it says anything; true where it does.
function openAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (!said.has("task")) return false;
  const sample = sampleAt(said);
  if (!sample) {
    byId("problem").textContent = "The sample that this link is to is not among those of this report.";
    byId("problem").hidden = false;
    show("samples");
    return true;
  }
  if (!state.shown.includes(sample)) resetFilters();
  show("samples");
  document.body.dataset.reading = "yes";
  select(sample);
  return true;
}

function copyLink(event, sample) {
  const link = String(new URL(addressOf(sample), location.href));
  history.replaceState(null, "", addressOf(sample));
  const done = (said) => (event.target.textContent = said);
  if (!navigator.clipboard) return done("It is in the address bar");
  return navigator.clipboard.writeText(link).then(
    () => done("Copied"),
    () => done("It is in the address bar"),
  );
}
