// Markdown, as far as models write it, into elements made here. Nothing becomes a link, an image or HTML. Every text
// node knows where in the source it stands, so that marks survive.
const FENCE = /^(\s*)(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(?=\S)/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(?=\S)/;
const QUOTE = /^ {0,3}> /;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const DISPLAY = /^\s*(\$\$|\\\[)/;
const THINK = /<\s*(\/?)\s*think(?:ing)?(?:\s[^<>/]*)?>/gi;
const INLINE = /(`+)(?!`)|(\$\$?)(?=\S)|(\\\[|\\\()|(\*\*|__)(?=\S)|(\*|_)(?=[^\s*_])|(~~)(?=\S)/g;
const LONGEST_RENDERED = 100000;
const MOST_FORMULAS = 400;

function rendered(source) {
  if (source.text.length > LONGEST_RENDERED) return rawText(source);
  const book = { source, formulas: 0, absent: new Set() };
  const parts = thinkingApart(source.text).map(([begin, end, thinking]) =>
    thinking ? folded(book, begin, end) : blocks(book, begin, end),
  );
  return element("div", { class: "said rendered" }, parts);
}

// The text in parts that are thinking or not, tags with the thinking; one that nothing opened closes all before it.
function thinkingApart(text) {
  const parts = [];
  let at = 0,
    thinking = false;
  const until = (place) => {
    if (place > at) parts.push([at, place, thinking]);
    at = Math.max(at, place);
  };
  for (const tag of text.matchAll(THINK)) {
    const after = tag.index + tag[0].length;
    if (tag[1] && !thinking) {
      parts.length = 0;
      at = 0;
      thinking = true;
    }
    if (tag[1]) {
      until(after);
      thinking = false;
    } else if (!thinking) {
      until(tag.index);
      thinking = true;
    }
  }
  until(text.length);
  return parts;
}

function folded(book, begin, end) {
  const words = book.source.text.slice(begin, end).split(/\s+/).filter(Boolean).length;
  const open = markOf(book.source, begin, end) ? "" : null;
  const summary = element("summary", null, `thinking, ${plural(words, "word")}`);
  return element("details", { class: "thinking", open }, summary, blocks(book, begin, end));
}

function linesOf(text, begin, end) {
  const lines = [];
  for (let at = begin; at <= end;) {
    let stop = text.indexOf("\n", at);
    if (stop < 0 || stop > end) stop = end;
    lines.push([at, stop]);
    at = stop + 1;
  }
  return lines;
}

function blocks(book, begin, end) {
  const { text } = book.source,
    nodes = [],
    lines = linesOf(text, begin, end);
  let paragraph = null;
  const flush = () => {
    if (paragraph) nodes.push(element("p", null, inline(book, ...paragraph)));
    paragraph = null;
  };
  for (let index = 0; index < lines.length; index++) {
    const [from, to] = lines[index],
      line = text.slice(from, to);
    const fence = FENCE.exec(line);
    if (fence) {
      flush();
      index = codeBlock(book, lines, index, fence, nodes);
    } else if (!line.trim()) flush();
    else if (DISPLAY.test(line) && !paragraph) {
      const last = displayEnd(text, lines, index);
      paragraph = [from, lines[last][1]];
      index = last;
      flush();
    } else {
      const single = lineBlock(book, line, from, to);
      if (single) {
        flush();
        nodes.push(single);
      } else paragraph = [paragraph ? paragraph[0] : from, to];
    }
  }
  flush();
  return nodes;
}

// The last line of the formula that begins at a line; that line where it does not end.
function displayEnd(text, lines, index) {
  const sign = DISPLAY.exec(text.slice(...lines[index]))[1],
    closing = sign === "$$" ? "$$" : "\\]";
  const from = lines[index][0] + text.slice(...lines[index]).indexOf(sign) + sign.length;
  const close = text.indexOf(closing, from);
  const last = lines.findIndex(([begin, stop]) => close >= begin && close < stop);
  return close < 0 || last < index || close - from > LONGEST_FORMULA ? index : last;
}

// A line that is a block of its own, or null.
function lineBlock(book, line, from, to) {
  const found = (pattern) => pattern.exec(line);
  if (found(RULE)) return element("hr", null);
  const heading = found(HEADING);
  if (heading) return element("p", { class: "heading" }, inline(book, from + heading[0].length, to));
  const quote = found(QUOTE);
  if (quote) return element("p", { class: "quote" }, inline(book, from + quote[0].length, to));
  const item = found(ITEM);
  if (!item) return null;
  const [, indent, sign] = item;
  const node = element(
    "p",
    { class: "item" },
    element("span", { class: "sign" }, /\d/.test(sign) ? sign : "•"),
    element("span", null, inline(book, from + item[0].length, to)),
  );
  return styled(node, { marginLeft: `${Math.min(6, indent.length / 2)}em` });
}

// Puts the fenced block that begins at a line among `nodes`; the index of its last line.
function codeBlock(book, lines, index, [, , sign, language], nodes) {
  let last = index + 1;
  const closes = ([from, to]) => {
    const line = book.source.text.slice(from, to).trim();
    return line.length >= sign.length && [...line].every((one) => one === sign[0]);
  };
  while (last < lines.length && !closes(lines[last])) last += 1;
  const from = lines[index][1] + 1,
    to = Math.max(from, (lines[last - 1] || lines[index])[1]);
  const label = language ? element("span", { class: "language" }, oneLine(language, 30)) : null;
  const code = last > index + 1 ? leaf(book.source, from, to) : null;
  nodes.push(element("div", { class: "code" }, label, element("pre", null, code)));
  return last;
}

function inline(book, begin, end) {
  const { text } = book.source,
    nodes = [];
  let plain = begin;
  const pattern = new RegExp(INLINE.source, "g");
  pattern.lastIndex = begin;
  for (let found; (found = pattern.exec(text)) && found.index < end;) {
    const span = spanAt(book, found, end);
    if (!span) {
      pattern.lastIndex = found.index + found[0].length;
      continue;
    }
    nodes.push(...leaf(book.source, plain, found.index), span.node);
    plain = pattern.lastIndex = span.end;
  }
  return [...nodes, ...leaf(book.source, plain, end)];
}

// The element that begins with a sign and the place behind it, or null where the sign means nothing.
function spanAt(book, found, end) {
  const { text } = book.source,
    [sign, ticks, dollars, bracket, strong, slanted] = found,
    from = found.index + sign.length;
  if (text[found.index - 1] === "\\") return null;
  if (dollars || bracket) return formulaAt(book, found.index, sign, end);
  const close = closingAt(book, sign, from + (ticks ? 0 : 1));
  if (close < 0 || close + sign.length > end) return null;
  if (ticks) return { node: element("code", null, leaf(book.source, from, close)), end: close + sign.length };
  const inWord = (place) => /\w/.test(text[place] || "");
  if (/\s/.test(text[close - 1]) || text.slice(from, close).includes("\n\n")) return null;
  if (sign.includes("_") && (inWord(found.index - 1) || inWord(close + sign.length))) return null;
  if (slanted && text[close + 1] === slanted) return null;
  const name = strong ? "strong" : slanted ? "em" : "s";
  return { node: element(name, null, inline(book, from, close)), end: close + sign.length };
}

// A sign that does not stand behind one place stands behind no later one: nothing is looked for twice in vain.
function closingAt(book, sign, from) {
  if (book.absent.has(sign)) return -1;
  const close = book.source.text.indexOf(sign, from);
  if (close < 0) book.absent.add(sign);
  return close;
}

function formulaAt(book, start, sign, end) {
  const { text } = book.source,
    closing = { "\\[": "\\]", "\\(": "\\)" }[sign] || sign,
    from = start + sign.length;
  let close = closingAt(book, closing, from);
  while (close > 0 && text[close - 1] === "\\" && sign[0] === "$")
    close = closingAt(book, closing, close + 1);
  if (close < 0 || close + closing.length > end || book.formulas >= MOST_FORMULAS) return null;
  // Money: $5 and $6 are no formula.
  if (sign === "$" && (/\s/.test(text[close - 1]) || /\d/.test(text[close + 1] || ""))) return null;
  const node = formula(text.slice(from, close), sign === "$$" || sign === "\\[");
  if (!node) return null;
  book.formulas += 1;
  const kind = markOf(book.source, from, close);
  return { node: kind ? marked(kind, [node]) : node, end: close + closing.length };
}
