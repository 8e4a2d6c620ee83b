// The numbers behind the figure: the pseudo-label and its two losses. No drawing here.

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

const LOOKS = 48; // candidates at which it is looked which classes get a large entry

/** The largest entry that each class gets along the curve: wherever the slider goes, the mass should have a bar. */
function largestEntries(data) {
  const largest = data.u.map(() => 0);
  const step = Math.max(Math.floor(data.scales.length / LOOKS), 1);
  for (let at = 0; at < data.scales.length; at += step) {
    pseudoLabel(data.scales[at], data).entries.forEach((entry, i) => { largest[i] = Math.max(largest[i], Math.min(entry, 1)); });
  }
  return largest;
}

/** Up to `most` classes worth a bar of their own, in class order: those with a large true or recovered entry first. */
function relevantClasses(data, most) {
  const classes = data.u.map((_, i) => i);
  if (classes.length <= most) return classes;
  const label = data.true_label ?? [];
  const found = data.found_label ?? [];
  const reached = largestEntries(data);
  const weight = (i) => Math.max(label[i] ?? 0, found[i] ?? 0, reached[i] * 0.5, Math.abs(data.c[i]) * 0.1);
  return classes.sort((i, j) => weight(j) - weight(i)).slice(0, most).sort((i, j) => i - j);
}
