// The settings and versions that runs were made with; of several runs, first those that differ.
function settingsSection(kind) {
  const known = ofKind(kind).filter((run) => run.settings.length);
  if (!known.length) return null;
  const values = known.map((run) => new Map(run.settings));
  const names = [...new Set(values.flatMap((one) => [...one.keys()]))];
  const differs = (name) => new Set(values.map((one) => one.get(name))).size > 1;
  const [unlike, alike] = [names.filter(differs), names.filter((name) => !differs(name))];
  const rows = (some) => some.map((name) => [name, ...values.map((one) => settingValue(one.get(name)))]);
  const headings = ["setting", ...known.map((run) => [swatch(run.colour), run.name])];
  const folded = (title, some, id) =>
    some.length
      ? element(
          "details",
          { id, class: "settings" },
          element("summary", null, title),
          table(headings, rows(some)),
        )
      : null;
  return section(
    new Set(RUNS.map((run) => run.kind)).size > 1
      ? `Settings and versions of ${kind === "training" ? "training runs" : "evaluations"}`
      : "Settings and versions",
    element(
      "div",
      { class: "card settings-card" },
      known.length > 1 && unlike.length ? table(headings, rows(unlike)) : null,
      known.length > 1
        ? folded(
            `${plural(alike.length, "setting")} that all have in common`,
            alike,
            `settings-alike-${kind}`,
          )
        : folded(plural(names.length, "setting"), names, `settings-all-${kind}`),
    ),
  );
}

function settingValue(value) {
  return element("code", null, value === undefined ? "–" : seen(value));
}
