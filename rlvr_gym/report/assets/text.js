// Text as a model wrote it: with what is searched for and where the answer was read marked, and nothing invisible.
const INVISIBLE =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/u;
const INVISIBLES = new RegExp(INVISIBLE.source, "gu");
// Between and behind pictures these two make another picture, and are seen.
const OF_PICTURES =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Component}])(?:\ufe0f|\u200d(?=\p{Extended_Pictographic}))/gu;
const LONGEST_MARKED = 200000,
  MOST_MARKS = 1000;

function hasInvisible(text) {
  return INVISIBLE.test(text.replace(OF_PICTURES, "").replace(/\r\n/g, "\n"));
}

function codePoint(sign) {
  return `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// One line of a text, for a list: what cannot be seen is named.
function oneLine(text, most = 160) {
  return text
    .slice(0, 4 * most)
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, most)
    .replace(INVISIBLES, (sign) => `⟨${codePoint(sign)}⟩`);
}

// A text, the places where its answer was read, and the hits of the search in it.
function sourceOf(text, places = []) {
  return { text, read: places, found: hitsIn(text) };
}

function hitsIn(text) {
  const lower = text.length <= LONGEST_MARKED ? text.toLowerCase() : "",
    hits = [];
  if (lower.length !== text.length) return [];
  for (const word of state.words) {
    for (
      let at = lower.indexOf(word);
      at >= 0 && hits.length < MOST_MARKS;
      at = lower.indexOf(word, at + word.length)
    )
      hits.push([at, at + word.length]);
  }
  return hits.sort((one, other) => one[0] - other[0] || other[1] - one[1]);
}

// The nodes of a part of a text, with the part of each mark that lies in it: hits of the search in the answer too.
function leaf(source, begin, end, [kind, ...kinds] = ["read", "found"]) {
  if (!kind) return seen(source.text.slice(begin, end));
  const nodes = [];
  let at = begin;
  for (const [from, to] of source[kind]) {
    if (to <= at || from >= end) continue;
    const [first, last] = [Math.max(from, at), Math.min(to, end)];
    nodes.push(...leaf(source, at, first, kinds), marked(kind, leaf(source, first, last, kinds)));
    at = last;
  }
  return [...nodes, ...leaf(source, at, end, kinds)];
}

function marked(kind, children) {
  const title = kind === "read" ? "the answer was read here" : null;
  return element("mark", { class: kind, title }, children);
}

// How a part of a text is marked that stays in one piece: "read", "found", or not at all.
function markOf(source, begin, end) {
  return ["read", "found"].find((kind) => source[kind].some(([from, to]) => from < end && to > begin));
}

// Text nodes, with the name of each character that nobody could see.
function seen(text) {
  if (!INVISIBLE.test(text)) return text ? [text] : [];
  const kept = new Set([...text.matchAll(OF_PICTURES)].map((found) => found.index));
  const nodes = [];
  let at = 0;
  for (const { 0: sign, index } of text.matchAll(INVISIBLES)) {
    if (kept.has(index) || (sign === "\r" && text[index + 1] === "\n")) continue;
    if (index > at) nodes.push(text.slice(at, index));
    nodes.push(
      element("span", { class: "invisible", title: "a character that cannot be seen" }, codePoint(sign)),
    );
    at = index + sign.length;
  }
  return [...nodes, text.slice(at)];
}

function rawText(source) {
  return element("pre", { class: "said" }, leaf(source, 0, source.text.length));
}
