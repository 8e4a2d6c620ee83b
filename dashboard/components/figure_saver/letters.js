// The page's letters, to go into a file: without them a figure's words would run into each other on another machine.

const FAMILY = "Source Sans"; // Streamlit brings it along, and the browser has it by now

const asData = (blob) => new Promise((done) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.readAsDataURL(blob);
});

/** The rules of a sheet; none where it came from elsewhere, as those of a browser's extension do. */
function rulesOf(sheet) {
  try {
    return [...sheet.cssRules];
  } catch {
    return [];
  }
}

/** The rule of a style sheet that holds the letters themselves; empty where the page has others. */
async function letters() {
  for (const sheet of document.styleSheets) {
    for (const rule of rulesOf(sheet)) {
      if (!(rule instanceof CSSFontFaceRule)) continue;
      const [family, style, source] = ["font-family", "font-style", "src"].map((name) => rule.style.getPropertyValue(name));
      if (!family.includes(FAMILY) || style !== "normal") continue;
      const address = new URL(/url\("?([^")]+)/.exec(source)[1], sheet.href ?? location.href);
      const data = await asData(await (await fetch(address)).blob());
      return `@font-face { font-family: ${family}; font-weight: ${rule.style.getPropertyValue("font-weight")}; src: url(${data}); }`;
    }
  }
  return "";
}
