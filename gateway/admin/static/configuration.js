/* Configuration: problems at their lines while one types, and the time that is left to keep a change.
   Without this script a button checks, and the list below the text names file and line. */
"use strict";

const MOST_LINES = 5000; /* of a text with numbers: more takes too long to draw at every key */

/* ---- the editor: a layer behind the text has the numbers, and the problems behind the lines ---- */

const editors = new Map(); /* file name -> its editor */

function dress(box) {
  const area = box.querySelector("textarea");
  const behind = document.createElement("div");
  behind.className = "behind";
  behind.setAttribute("aria-hidden", "true");
  box.prepend(behind);
  box.classList.add("numbered");
  const editor = { area, behind, problems: new Map() };
  let due = false;
  area.addEventListener("input", () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; draw(editor); });
  });
  area.addEventListener("scroll", () => follow(editor));
  if (box.dataset.editor) editors.set(box.dataset.editor, editor);
  draw(editor);
}

function draw({ area, behind, problems }) {
  const lines = area.value.split("\n");
  const layer = document.createDocumentFragment();
  if (lines.length <= MOST_LINES) {
    lines.forEach((text, index) => layer.append(row(index + 1, text, problems.get(index + 1))));
  }
  behind.replaceChildren(layer);
  follow({ area, behind });
}

function row(number, text, problem) {
  const line = document.createElement("div");
  line.append(part("no", String(number)), part("ghost", text || " "));
  if (problem) {
    line.className = problem.kind;
    line.append(part("say", problem.words));
  }
  return line;
}

function part(kind, text) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  return span;
}

function follow({ area, behind }) {
  behind.scrollTop = area.scrollTop;
  behind.scrollLeft = area.scrollLeft;
}

/* ---- what was found: at the lines, and with a way there from the list ---- */

function mark() {
  for (const editor of editors.values()) editor.problems.clear();
  for (const item of document.querySelectorAll("[data-found] li[data-file]")) {
    const editor = editors.get(item.dataset.file);
    const line = Number(item.dataset.line);
    if (!editor || !line) continue;
    const kind = item.classList.contains("error") ? "error" : "warning";
    const before = editor.problems.get(line);
    if (!before || before.kind === "warning") editor.problems.set(line, { kind, words: item.dataset.words });
    lead(item, editor, line);
  }
  for (const editor of editors.values()) draw(editor);
}

function lead(item, editor, line) {
  const place = item.querySelector(".place");
  if (!place || place.tagName === "BUTTON") return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "place";
  button.textContent = place.textContent;
  button.addEventListener("click", () => {
    const start = editor.area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    const end = editor.area.value.indexOf("\n", start);
    editor.area.focus();
    editor.area.setSelectionRange(start, end < 0 ? editor.area.value.length : end);
    const height = editor.area.scrollHeight / editor.area.value.split("\n").length;
    editor.area.scrollTop = Math.max(0, (line - 4) * height);
    editor.area.scrollIntoView({ block: "nearest" });
  });
  place.replaceWith(button);
}

document.querySelectorAll(".editor").forEach(dress);
mark();
document.addEventListener("htmx:afterSettle", mark);

/* Leaving with changes that are not applied: the browser asks. */
const form = document.getElementById("editor");
if (form) {
  const texts = () => [...form.querySelectorAll("textarea")].map((area) => area.value).join("\0");
  const before = texts();
  let leaving = false;
  form.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && texts() !== before) event.preventDefault();
  });
}

/* Who has pressed Keep or Put back is on the way to another page: what is asked meanwhile must not call back. */
let decided = false;
document.addEventListener("submit", (event) => { if (event.target.closest("#trial")) decided = true; });
for (const moment of ["htmx:beforeRequest", "htmx:beforeOnLoad"]) {
  document.addEventListener(moment, (event) => {
    if (decided && event.target.closest("#trial")) event.preventDefault();
  });
}

/* ---- the time that is left: asked every two seconds, and counted down in between ---- */

let shown = null; /* the section that the count started from */
let until = 0;

setInterval(() => {
  const trial = document.querySelector("[data-left]");
  if (!trial) return;
  if (trial !== shown) {
    shown = trial;
    until = performance.now() + Number(trial.dataset.left) * 1000;
  }
  const left = Math.max(0, (until - performance.now()) / 1000);
  const words = `${Math.floor(left / 60)}:${String(Math.floor(left % 60)).padStart(2, "0")}`;
  const place = trial.querySelector("[data-countdown]");
  if (place.textContent !== words) place.textContent = words;
  trial.querySelector("progress").value = left;
}, 250);
