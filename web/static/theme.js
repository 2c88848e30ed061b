// Before the first paint: says that there are scripts, and gives a reader whose theme is "auto"
// what the device prefers.
(() => {
  const root = document.documentElement;
  root.classList.add("has-scripts");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  if (root.dataset.theme === "auto") {
    follow();
    dark.addEventListener("change", follow);
  }
})();
