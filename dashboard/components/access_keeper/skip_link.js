// The keyboard's first stop on a page with a slider over lambda leads there: without it the way has some fifty stops.

const SHOWN = "position: fixed; top: 0.5rem; left: 0.5rem; z-index: 1000000; padding: 0.6rem 1rem; font: inherit;"
  + "color: light-dark(#1d2129, #e9e6df); background: light-dark(#fdfcf9, #15171b); border: 2px solid; border-radius: 0.3rem;";
const UNSEEN = `${SHOWN} clip-path: inset(50%);`;

function makeSkipLink() {
  const place = document.createElement("nav");
  place.ariaLabel = "Jump to a part of the page";
  const link = document.createElement("button");
  link.type = "button";
  link.dataset.testid = "skip-to-lambda";
  link.textContent = "Jump to the slider over λ";
  link.style = UNSEEN;
  link.addEventListener("focus", () => { link.style = SHOWN; });
  link.addEventListener("blur", () => { link.style = UNSEEN; });
  link.addEventListener("click", () => {
    window.gradinvSlider?.scrollIntoView({ block: "center" });
    window.gradinvSlider?.focus();
  });
  place.append(link);
  place.hidden = true;
  document.body.prepend(place);
  return () => {
    const wanted = !window.gradinvSlider?.isConnected;
    if (place.hidden !== wanted) place.hidden = wanted;
    const scheme = getComputedStyle(document.querySelector("[data-testid=stApp]") ?? document.body).colorScheme;
    if (place.style.colorScheme !== scheme) place.style.colorScheme = scheme;
  };
}
