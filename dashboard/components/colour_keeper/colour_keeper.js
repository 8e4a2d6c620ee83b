// Tells the server that the page's colours changed, once the page wears the new ones.

const SYSTEM = matchMedia("(prefers-color-scheme: dark)");
const PATIENCE = 120; // frames; a page whose theme was chosen by hand never turns

const worn = () => getComputedStyle(document.querySelector("[data-testid=stApp]") ?? document.body).colorScheme;
const known = { scheme: "" }; // outlives a redraw: a change of theme is one, too

export default function ({ setTriggerValue }) {
  known.scheme ||= worn();
  let left = PATIENCE;
  let frame = 0;
  const look = () => {
    const now = worn();
    if (now !== known.scheme) {
      known.scheme = now;
      setTriggerValue("turned", now);
    } else if ((left -= 1) > 0) frame = requestAnimationFrame(look);
  };
  const turn = () => {
    left = PATIENCE;
    frame = requestAnimationFrame(look);
  };
  SYSTEM.addEventListener("change", turn);
  look();
  return () => {
    cancelAnimationFrame(frame);
    SYSTEM.removeEventListener("change", turn);
  };
}
