// The axis of lambda that every figure over lambda shares: two half axes with a gap between -1 and 1.

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

const DECADES = [1, 1.1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6];
const DECADES_NARROW = [1, 2, 1e2, 1e4, 1e6];

function tickText(scale) {
  const size = Math.abs(scale);
  const text = size >= 1000 ? `10${superscript(Math.log10(size))}` : String(size);
  return (scale < 0 ? "−" : "") + text;
}

/** Pixel geometry of a figure of this width; the slider below the curve uses the same left and right edges. */
function geometry(width) {
  const narrow = width < 560;
  const left = narrow ? 42 : 62;
  const right = narrow ? 14 : 18;
  return { narrow, width, left, right, inner: Math.max(width - left - right, 40), font: (narrow ? 13 : 15) * letters() };
}

/** How much larger the page's letters are than usual: a teacher enlarges them for a projector. */
function letters() {
  const root = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return Math.min(Math.max(root / 17, 1), 1.25);
}

/** Pixel of a candidate lambda in a figure of this geometry. */
function lambdaPixel(size) {
  return (scale) => size.left + ((toPosition(scale) + HALF) / (2 * HALF)) * size.inner;
}
