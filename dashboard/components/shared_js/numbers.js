// Numbers as text. No drawing here.

/** A number as people read it: a few digits, and a power of ten when it is far from one. */
function readable(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e-3 && size < 1e5) return value.toPrecision(digits).replace("-", "−");
  const [mantissa, exponent] = value.toExponential(1).split("e");
  return `${mantissa.replace("-", "−")}\u00a0×\u00a010${superscript(Number(exponent))}`;
}

function superscript(exponent) {
  return String(exponent).replace(/[-\d]/g, (sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign]));
}
