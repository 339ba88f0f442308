// Views, theme and keys.
const THEMES = ["system", "light", "dark"];
const KEPT_THEME = "rlvr-report-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = "system";

function applyTheme() {
  const chosen = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
  document.documentElement.dataset.theme = chosen;
  byId("theme").textContent = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme];
}

function beginTheme() {
  theme = THEMES.includes(kept(KEPT_THEME)) ? kept(KEPT_THEME) : "system";
  applyTheme();
  dark.addEventListener("change", applyTheme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep(KEPT_THEME, theme);
    applyTheme();
  });
}

function show(view) {
  byId("summary").hidden = view !== "summary";
  byId("samples").hidden = view !== "samples";
  for (const name of ["summary", "samples"])
    byId(`show-${name}`).setAttribute("aria-current", String(name === view));
  if (view === "samples") {
    keepInView();
    showRows();
    byId("list").focus({ preventScroll: true });
  }
}

const KEYS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  n: () => move(1, true),
  ArrowRight: () => move(1, true),
  p: () => move(-1, true),
  ArrowLeft: () => move(-1, true),
  g: () => view("group"),
  t: () => sameTask(state.selected).length > 1 && view("times"),
  b: pinOrCompare,
  r: toggleRaw,
  h: () => giveLabel(state.selected, "hack"),
  f: () => giveLabel(state.selected, "fine"),
  u: () => giveLabel(state.selected, "unsure"),
  "/": () => {
    byId("search").focus();
    byId("search").select();
  },
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "1") return typing(event) ? undefined : show("summary");
  if (event.key === "2") return typing(event) ? undefined : show("samples");
  if (byId("samples").hidden) return;
  if (typing(event)) {
    if (event.key === "Escape" || event.key === "Enter") byId("list").focus();
    return;
  }
  if (Object.hasOwn(KEYS, event.key) && state.selected) {
    event.preventDefault();
    KEYS[event.key]();
  }
}

function typing(event) {
  return event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
}

function showTitle() {
  const title = RUNS.length === 1 ? RUNS[0].name : RUNS.length ? `${RUNS.length} runs` : "no run to show yet";
  document.title = `${title} · rlvr report`;
  byId("title").textContent = title;
  byId("show-samples").textContent = `Samples ${SAMPLES.length.toLocaleString("en")}`;
}

// Shows other data in place of those shown. What a reader has chosen stays chosen, as far as it is still there.
function showData(data) {
  const [selected, pinned] = [state.selected?.key, state.pinned?.key];
  takeData(data);
  state.selected = BY_KEY.get(selected) || null;
  state.pinned = BY_KEY.get(pinned) || null;
  if (state.view === "beside" && !state.pinned) state.view = "sample";
  showTitle();
  showSummary();
  showChoices();
  filterSamples();
}

// Calls at most once a frame.
function onceAFrame(act) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      act();
    });
  };
}

function begin() {
  beginTheme();
  readLabels();
  byId("show-summary").addEventListener("click", () => show("summary"));
  byId("show-samples").addEventListener("click", () => show("samples"));
  document.addEventListener("keydown", pressed);
  const redraw = onceAFrame(showRows);
  byId("list").addEventListener("scroll", redraw, { passive: true });
  addEventListener("resize", redraw);
  showFilters();
  showData(JSON.parse(byId("data").textContent));
  show("summary");
  openAddress();
  addEventListener("hashchange", openAddress);
  if (document.body.dataset.live) followRun();
}

begin();
