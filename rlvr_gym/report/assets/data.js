// What the page shows: the data that stand in it, or newer ones of the same kind.
let RUNS = [],
  SAMPLES = [],
  COMPARISONS = [],
  BY_KEY = new Map(),
  CLUSTERS = new Map(),
  TASKS = new Map();

function takeData(data) {
  RUNS = data.runs.map((run, index) => ({ ...run, index, colour: runColour(index) }));
  COMPARISONS = data.comparisons;
  SAMPLES = [];
  CLUSTERS = new Map();
  TASKS = new Map();
  for (const group of data.groups) {
    group.members = group.samples.map((sample) => ({ ...sample, group, run: RUNS[group.run] }));
    if (!TASKS.has(taskKey(group))) TASKS.set(taskKey(group), []);
    TASKS.get(taskKey(group)).push(group);
    SAMPLES.push(...group.members);
  }
  SAMPLES.forEach((sample, order) => {
    sample.order = order;
    sample.key = JSON.stringify([sample.run.name, sample.group.step, sample.group.task, sample.sample]);
    countCopy(CLUSTERS, sample);
  });
  BY_KEY = new Map(SAMPLES.map((sample) => [sample.key, sample]));
}

function countCopy(clusters, sample) {
  const cluster = clusters.get(sample.cluster) || { copies: 0, tasks: new Set() };
  cluster.copies += 1;
  cluster.tasks.add(taskKey(sample.group));
  clusters.set(sample.cluster, cluster);
}

function ofKind(kind) {
  return RUNS.filter((run) => run.kind === kind);
}

// One task is the same in every step of a run, and in every run of the same tasks.
function taskKey(group) {
  return `${RUNS[group.run].environment} ${group.task}`;
}

function final(sample) {
  return sample.turns.length ? sample.turns[sample.turns.length - 1].content : "";
}

function promptText(sample) {
  return sample.group.prompt.map((message) => message.content).join("\n");
}

// "× 312 over 40 tasks", or nothing of a completion that is the only one of its kind.
function copiesOf({ copies, tasks }) {
  return copies > 1 ? `× ${copies.toLocaleString("en")} over ${plural(tasks.size, "task")}` : "";
}
