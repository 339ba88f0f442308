// Filters and orders as a person writes them: `reward > 0 and tokens < 20`. Read into functions, never run as a script.
const FIELDS = {
  reward: ["number", (sample) => sample.reward],
  advantage: ["number", (sample) => sample.advantage],
  score: ["number", (sample) => sample.score],
  tokens: ["number", (sample) => sample.tokens],
  step: ["number", (sample) => sample.group.step],
  sample: ["number", (sample) => sample.sample],
  characters: ["number", (sample) => final(sample).length],
  copies: ["number", (sample) => CLUSTERS.get(sample.cluster).copies],
  cluster: ["number", (sample) => sample.cluster],
  right: ["number", (sample) => rightShare(sample.group)],
  outcome: ["text", (sample) => sample.outcome],
  finish: ["text", (sample) => sample.finish],
  answer: ["text", (sample) => sample.answer],
  expected: ["text", (sample) => sample.expected],
  detail: ["text", (sample) => sample.detail],
  task: ["text", (sample) => sample.group.task],
  run: ["text", (sample) => sample.run.name],
  text: ["text", final],
  prompt: ["text", promptText],
  flags: ["text", (sample) => (sample.flags || []).join(" ")],
  label: ["text", (sample) => labelOf(sample)],
  correct: ["truth", (sample) => sample.outcome === "correct"],
  truncated: ["truth", (sample) => sample.finish === "length"],
  flagged: ["truth", (sample) => (sample.flags || []).length > 0],
  invisible: ["truth", (sample) => hasInvisible(final(sample))],
};
const FUNCTIONS = { abs: Math.abs };
const CONSTANTS = { true: ["truth", true], false: ["truth", false], none: ["none", null] };
const SAID = { number: "a number", text: "a text", truth: "true or false", none: "none" };
const TOKEN =
  /\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)|"([^"]*)"|'([^']*)'|([a-z_]+)|(<=|>=|==|!=|&&|\|\||[-+*/()<>=~!]))/iy;
const ALIASES = { "==": "=", "&&": "and", "||": "or" };
const LONGEST_EXPRESSION = 500;

function rightShare({ samples }) {
  return samples.filter((sample) => sample.outcome === "correct").length / samples.length;
}

// An error that is told to whoever wrote the expression.
class ExpressionError extends Error {}

function refuse(text) {
  throw new ExpressionError(text);
}

// The function of a sample that a filter is, which says whether it is shown.
function readFilter(text) {
  const { type, value } = new Reader(text).whole();
  if (type !== "truth") refuse(`this is ${SAID[type]}, not a condition: compare it, as in tokens < 20`);
  return (sample) => value(sample) === true;
}

// The function of a sample by whose values samples are ordered, smallest first; what has none comes last.
function readOrder(text) {
  const { value } = new Reader(text).whole();
  return (one, other) => {
    const [left, right] = [value(one) ?? null, value(other) ?? null];
    if (left === null || right === null) return (left === null) - (right === null) || one.order - other.order;
    return (left > right) - (left < right) || one.order - other.order;
  };
}

function tokensOf(text) {
  if (text.length > LONGEST_EXPRESSION) refuse(`an expression has at most ${LONGEST_EXPRESSION} characters`);
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim()) {
    const from = TOKEN.lastIndex,
      found = TOKEN.exec(text);
    if (!found)
      refuse(
        `“${text.slice(from).trim().slice(0, 12)}” cannot be read: write as in reward > 0 and tokens < 20`,
      );
    const [, digits, double, single, name, sign] = found;
    if (digits !== undefined) tokens.push({ kind: "number", value: Number(digits), text: digits });
    else if (double !== undefined || single !== undefined)
      tokens.push({ kind: "text", value: double ?? single, text: found[0].trim() });
    else if (name !== undefined) tokens.push({ kind: "name", text: name.toLowerCase(), written: name });
    else tokens.push({ kind: "sign", text: ALIASES[sign] || sign });
  }
  return tokens;
}

// A descent through: or, and, not, comparison, sum, product, sign, value. Every step gives {type, value}, value being a
// function of a sample.
class Reader {
  constructor(text) {
    this.tokens = tokensOf(text);
    this.at = 0;
  }

  whole() {
    if (!this.tokens.length) refuse("there is nothing to read");
    const read = this.either();
    if (this.at < this.tokens.length)
      refuse(`“${this.tokens[this.at].text}” is one too many: join conditions with and, or`);
    return read;
  }

  next(...texts) {
    const token = this.tokens[this.at];
    if (!token || token.kind === "text" || !texts.includes(token.text)) return null;
    this.at += 1;
    return token.text;
  }

  either() {
    let left = this.both();
    while (this.next("or")) left = joined(left, this.both(), "or", (a, b) => a || b);
    return left;
  }

  both() {
    let left = this.negated();
    while (this.next("and")) left = joined(left, this.negated(), "and", (a, b) => a && b);
    return left;
  }

  negated() {
    const sign = this.next("not", "!");
    if (!sign) return this.comparison();
    const { value } = demanded(this.negated(), "truth", sign);
    return { type: "truth", value: (sample) => !value(sample) };
  }

  comparison() {
    const left = this.sum();
    const sign = this.next("<", "<=", ">", ">=", "=", "!=", "~");
    if (!sign) return left;
    return compared(left, sign, left.type === "text" ? this.word() || this.sum() : this.sum());
  }

  // A word or a number behind a text field needs no quotes: outcome = correct, answer = -1.
  word() {
    const minus = this.tokens[this.at]?.text === "-" ? "-" : "";
    const token = this.tokens[this.at + minus.length];
    const isWord =
      token?.kind === "name" && !minus && token.text !== "none" && FIELDS[token.text]?.[0] !== "text";
    if (!isWord && token?.kind !== "number") return null;
    this.at += 1 + minus.length;
    return { type: "text", value: () => minus + (token.written || token.text) };
  }

  sum() {
    let left = this.product();
    for (let sign; (sign = this.next("+", "-"));) left = calculated(left, sign, this.product());
    return left;
  }

  product() {
    let left = this.signed();
    for (let sign; (sign = this.next("*", "/"));) left = calculated(left, sign, this.signed());
    return left;
  }

  signed() {
    if (!this.next("-")) return this.value();
    return calculated({ type: "number", value: () => 0 }, "-", this.signed());
  }

  value() {
    const token = this.tokens[this.at++];
    if (!token) refuse("something is missing at the end");
    if (token.kind === "number" || token.kind === "text")
      return { type: token.kind, value: () => token.value };
    if (token.kind === "name") return this.named(token);
    if (token.text !== "(") refuse(`“${token.text}” stands where a field or a number is expected`);
    const inside = this.either();
    if (!this.next(")")) refuse("a bracket is opened and never closed");
    return inside;
  }

  named({ text }) {
    if (Object.hasOwn(FUNCTIONS, text) && this.next("(")) {
      const { value } = demanded(this.sum(), "number", text);
      if (!this.next(")")) refuse("a bracket is opened and never closed");
      return { type: "number", value: (sample) => known(value(sample), FUNCTIONS[text]) };
    }
    if (Object.hasOwn(CONSTANTS, text)) return { type: CONSTANTS[text][0], value: () => CONSTANTS[text][1] };
    if (!Object.hasOwn(FIELDS, text))
      refuse(`there is no field “${text}”; there are ${Object.keys(FIELDS).join(", ")}`);
    return { type: FIELDS[text][0], value: FIELDS[text][1] };
  }
}

function known(value, then) {
  return value === null || value === undefined ? null : then(value);
}

function demanded(one, type, sign) {
  if (one.type !== type)
    refuse(`“${sign}” takes ${type === "truth" ? "conditions" : SAID[type]}, and this is ${SAID[one.type]}`);
  return one;
}

function joined(left, right, sign, join) {
  const [a, b] = [demanded(left, "truth", sign).value, demanded(right, "truth", sign).value];
  return { type: "truth", value: (sample) => join(a(sample), b(sample)) };
}

const CALCULATE = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => (b ? a / b : null),
};

function calculated(left, sign, right) {
  const [a, b] = [demanded(left, "number", sign).value, demanded(right, "number", sign).value];
  return {
    type: "number",
    value: (sample) => known(a(sample), (x) => known(b(sample), (y) => CALCULATE[sign](x, y))),
  };
}

// What has no value is equal to none alone, and neither above nor below anything.
function compared(left, sign, right) {
  const { value: a } = left,
    { value: b } = right;
  if (sign === "~") {
    if (left.type !== "text" || right.type !== "text")
      refuse('“~” looks for a text in a text, as in answer ~ "1/2"');
    return {
      type: "truth",
      value: (sample) => (a(sample) || "").toLowerCase().includes(b(sample).toLowerCase()),
    };
  }
  if (left.type !== right.type && left.type !== "none" && right.type !== "none")
    refuse(`${SAID[left.type]} and ${SAID[right.type]} cannot be compared with “${sign}”`);
  const test = {
    "=": (x, y) => x === y,
    "!=": (x, y) => x !== y,
    "<": (x, y) => x !== null && y !== null && x < y,
    "<=": (x, y) => x !== null && y !== null && x <= y,
    ">": (x, y) => x !== null && y !== null && x > y,
    ">=": (x, y) => x !== null && y !== null && x >= y,
  }[sign];
  return { type: "truth", value: (sample) => test(a(sample) ?? null, b(sample) ?? null) };
}
