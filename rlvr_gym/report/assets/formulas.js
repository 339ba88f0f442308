// Formulas: KaTeX reads them, and what it read becomes MathML made here, of elements and attributes from these lists alone.
const MATH = "http://www.w3.org/1998/Math/MathML";
const MATH_ELEMENTS = new Set(
  "math semantics mrow mi mn mo ms mtext mspace msup msub msubsup munder mover munderover mfrac msqrt mroot mtable mtr mtd mlabeledtr mstyle mpadded mphantom menclose mmultiscripts".split(
    " ",
  ),
);
const MATH_ATTRIBUTES = new Set(
  "display displaystyle scriptlevel mathvariant mathcolor accent accentunder stretchy fence separator lspace rspace minsize maxsize width height depth voffset columnalign columnspacing columnlines rowspacing rowlines linethickness notation largeop movablelimits form".split(
    " ",
  ),
);
const LONGEST_FORMULA = 3000;
const READ_AS = {
  output: "mathml",
  throwOnError: true,
  strict: "ignore",
  trust: false,
  maxExpand: 200,
  maxSize: 20,
};

// The nodes of a formula, or null for what is none.
function formula(tex, display) {
  if (tex.length > LONGEST_FORMULA) return null;
  try {
    const tree = katex.__renderToDomTree(tex, { ...READ_AS, displayMode: display, macros: {} });
    return element(
      "span",
      { class: display ? "formula display" : "formula", title: oneLine(tex, 300) },
      mathNodes(tree),
    );
  } catch {
    return null; // a model's slip, or an attack: it stays text
  }
}

function mathNodes(node) {
  if ("text" in node && !node.children) return seen(node.text);
  const children = (node.children || []).flatMap(mathNodes);
  if (!MATH_ELEMENTS.has(node.type)) return node.type === "annotation" ? [] : children;
  const made = document.createElementNS(MATH, node.type);
  for (const [name, value] of Object.entries(node.attributes || {})) {
    if (MATH_ATTRIBUTES.has(name)) made.setAttribute(name, value);
  }
  made.append(...children);
  return [made];
}
