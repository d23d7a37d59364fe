// Puts the page together.
import { startAbout } from "./about.js";
import { byId } from "./dom.js";
import { startFiles } from "./files.js";
import { language, onLanguage, setLanguage, t, translate } from "./language.js";
import { watchServer } from "./server.js";
import { startSpeak } from "./speak.js";
import { startStudio } from "./studio.js";
import { startTabs } from "./tabs.js";

function showSwitches() {
  const other = byId("language");
  other.textContent = language() === "ru" ? "EN" : "RU";
  other.lang = language() === "ru" ? "en" : "ru";
  other.setAttribute("aria-label", t("switch_language"));
  const dark = document.documentElement.dataset.theme === "dark";
  byId("theme").setAttribute("aria-label", t(dark ? "to_light" : "to_dark"));
}

translate(document);
byId("language").addEventListener("click", () => setLanguage(language() === "ru" ? "en" : "ru"));
byId("theme").addEventListener("click", () => globalThis.govorTheme.toggle());
addEventListener("govor-theme", showSwitches);
onLanguage(showSwitches);
showSwitches();
startSpeak();
startFiles();
startStudio();
startAbout();
startTabs();
watchServer();
