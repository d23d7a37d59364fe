// The little of Markdown that a model card uses, as elements: nothing in it can become markup of the page.
import { make } from "./dom.js";

/** A range of numbers, 0.2–0.4, stays on one line. */
const whole = (text) => text.replace(/(\d)–(?=\d)/g, "$1\u2060–\u2060");

function inline(text) {
  const parts = [];
  const pattern = /\*\*(.+?)\*\*|`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)|\*([^*\s][^*]*)\*/g;
  let place = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push(whole(text.slice(place, match.index)));
    if (match[1] !== undefined) parts.push(make("strong", {}, ...inline(match[1])));
    else if (match[2] !== undefined) parts.push(make("code", {}, match[2]));
    else if (match[5] !== undefined) parts.push(make("em", {}, match[5]));
    // Addresses inside the repository lead nowhere from here.
    else if (/^https?:/.test(match[4])) parts.push(make("a", { href: match[4], rel: "noreferrer" }, match[3]));
    else parts.push(...inline(match[3]));
    place = match.index + match[0].length;
  }
  parts.push(whole(text.slice(place)));
  return parts.filter((part) => part !== "");
}

const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function table(lines) {
  const aligns = cells(lines[1]).map((mark) => (mark.endsWith(":") ? "number" : null));
  const row = (line, name) =>
    make("tr", {}, ...cells(line).map((cell, index) => make(name, { class: aligns[index], scope: name === "th" && "col" }, ...inline(cell))));
  const body = make("tbody", {}, ...lines.slice(2).map((line) => row(line, "td")));
  return make("div", { class: "table", tabindex: 0, role: "group" }, make("table", {}, make("thead", {}, row(lines[0], "th")), body));
}

/** Elements for a Markdown text; headings start at level 3. */
export function render(text) {
  const blocks = text.replace(/\r/g, "").split(/\n{2,}/);
  const elements = [];
  for (const block of blocks) {
    const lines = block.trim().split("\n");
    if (!lines[0] || /^-{3,}$/.test(lines[0])) continue;
    const heading = lines[0].match(/^(#+)\s+(.*)/);
    if (heading) {
      elements.push(make("h3", {}, ...inline(heading[2])));
      lines.shift();
    }
    if (!lines.length) continue;
    if (lines[0].startsWith("|") && lines.length > 1) elements.push(table(lines));
    else if (/^[-*] /.test(lines[0])) elements.push(list(lines));
    else elements.push(make("p", {}, ...inline(lines.join(" "))));
  }
  return elements;
}

function list(lines) {
  const items = [];
  for (const line of lines) {
    if (/^[-*] /.test(line)) items.push(line.slice(2));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return make("ul", {}, ...items.map((item) => make("li", {}, ...inline(item))));
}
