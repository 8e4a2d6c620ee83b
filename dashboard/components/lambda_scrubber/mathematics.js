// The numbers behind the figure: the axis of lambda, the pseudo-label, its two losses. No drawing here.

const LARGEST = 1e6;
// |lambda| >= 1 always. Half an axis is linear within 0.01 of 1 and logarithmic beyond, so near-hard labels stay readable.
const FINENESS = 0.01;
// A whole number of slider steps, so that the End key reaches the end; the gap in the middle is what is left.
const HALF = 8.15;
const GAP = HALF - Math.log10(1 + (LARGEST - 1) / FINENESS);

/** Position of a candidate lambda on the axis, from -HALF to HALF. */
function toPosition(scale) {
  const size = Math.min(Math.max(Math.abs(scale), 1), LARGEST);
  return Math.sign(scale) * (GAP + Math.log10(1 + (size - 1) / FINENESS));
}

/** Candidate lambda at a position; positions in the gap around zero mean exactly 1 or -1. */
function toScale(position) {
  const reach = Math.max(Math.abs(position) - GAP, 0);
  return (position < 0 ? -1 : 1) * Math.min(1 + FINENESS * (10 ** reach - 1), LARGEST);
}

function variance(values) {
  let mean = 0;
  for (const value of values) mean += value / values.length;
  let sum = 0;
  for (const value of values) sum += (value - mean) ** 2;
  return sum / values.length;
}

/** softmax(lambda u + b) - c / lambda, with its losses over every class but the `excluded` largest entries. */
function pseudoLabel(scale, { u, b, c, excluded }) {
  const logits = u.map((value, i) => scale * value + b[i]);
  const largest = Math.max(...logits);
  const weights = logits.map((value) => Math.exp(value - largest));
  const total = weights.reduce((sum, value) => sum + value, 0);
  const probabilities = weights.map((value) => value / total);
  const entries = probabilities.map((value, i) => value - c[i] / scale);
  const base = entries.map((_, i) => i).sort((i, j) => entries[j] - entries[i]).slice(excluded);
  const paperLoss = variance(base.map((i) => entries[i]));
  const size = Math.max(variance(base.map((i) => c[i] / scale)), variance(base.map((i) => probabilities[i])), 1e-300);
  const smallest = Math.min(...entries);
  return { entries, paperLoss, scaleFreeLoss: paperLoss / size, smallest };
}

/** Up to `most` classes worth a bar of their own, in class order: those with a large true, recovered or saturated entry. */
function relevantClasses(data, most) {
  const classes = data.u.map((_, i) => i);
  if (classes.length <= most) return classes;
  const label = data.true_label ?? [];
  const found = data.found_label ?? [];
  const weight = (i) => Math.max(label[i] ?? 0, found[i] ?? 0, Math.abs(data.c[i]) * 0.1);
  return classes.sort((i, j) => weight(j) - weight(i)).slice(0, most).sort((i, j) => i - j);
}

/** A number as people read it: a few digits, and a power of ten when it is far from one. */
function readable(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e-3 && size < 1e5) return value.toPrecision(digits).replace("-", "−");
  const [mantissa, exponent] = value.toExponential(1).split("e");
  return `${mantissa.replace("-", "−")} × 10${superscript(Number(exponent))}`;
}

function superscript(exponent) {
  return String(exponent).replace(/[-\d]/g, (sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign]));
}
