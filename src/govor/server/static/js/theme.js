// Not a module: it runs before the first paint, so that a dark page never flashes white.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem("govor.theme");
  } catch {
    // Storage may be forbidden; the system's choice stands.
  }
  const apply = () => {
    const theme = chosen ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    dispatchEvent(new CustomEvent("govor-theme", { detail: theme }));
  };
  system.addEventListener("change", apply);
  globalThis.govorTheme = {
    toggle() {
      chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("govor.theme", chosen);
      } catch {
        // It lasts until the page is closed, then.
      }
      apply();
    },
  };
  apply();
})();
