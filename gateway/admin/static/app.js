/* What every page does beyond its HTML. Without this script all pages can be read and all forms work. */
"use strict";

const page = document.body;
const root = document.documentElement;

/* ---- requests of htmx: the form token, and who asked: a person, or the page itself ---- */

const BY_HAND = new Set(["click", "submit", "change", "input", "keyup", "keydown", "search"]);

document.addEventListener("htmx:configRequest", (event) => {
  const { headers, triggeringEvent, verb } = event.detail;
  if (verb !== "get") headers["X-CSRF-Token"] = page.dataset.csrf;
  if (!triggeringEvent || !BY_HAND.has(triggeringEvent.type)) headers["X-Automatic"] = "1";
});

/* ---- times that stay true: "3 minutes ago", and the clock of the device in the footer ---- */

const relative = new Intl.RelativeTimeFormat(page.dataset.lang, { numeric: "always" });
const nowWord = new Intl.RelativeTimeFormat(page.dataset.lang, { numeric: "auto" }).format(0, "second");
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
let ahead = 0; /* seconds by which the clock of the device is ahead of the browser's */

const now = () => Date.now() / 1000 + ahead;

function ago(seconds) {
  const [unit, length] = STEPS.find(([, each]) => Math.abs(seconds) >= each * 1.5) || STEPS[3];
  const count = Math.round(seconds / length);
  return relative.format(unit === "second" && count > -1 && count < 2 ? -1 : count, unit);
}

const clock = document.querySelector("[data-clock]");
if (clock) ahead = Date.parse(clock.dateTime) / 1000 - Date.now() / 1000;

function tick() {
  if (document.hidden) return;
  for (const each of document.querySelectorAll("[data-ago]")) {
    const bare = ago(Number(each.dataset.ago) - now());
    const words = each.textContent.startsWith("(") ? `(${bare})` : bare;
    if (each.textContent !== words) each.textContent = words;
  }
  for (const each of document.querySelectorAll("[data-due]")) {
    const left = Number(each.dataset.due) - now();
    const words = left >= 2 ? ago(left) : nowWord;
    if (each.textContent !== words) each.textContent = words;
  }
  judge();
}

/* ---- is what the page shows still true? ---- */

const LOST_AFTER = 8000; /* milliseconds without a beat */
const banner = document.getElementById("stale");
let beatAt = Date.now();
let fresh = now(); /* when what is shown was last known to be true */
let gateway = true;
let bye = false;

function judge() {
  if (!page.dataset.live) return;
  const lost = Date.now() - beatAt > LOST_AFTER;
  const kind = bye ? "bye" : lost ? "lost" : gateway ? "" : "gateway";
  root.classList.toggle("is-stale", kind !== "");
  banner.hidden = kind === "";
  if (!kind) return;
  const time = new Date(fresh * 1000).toLocaleTimeString(page.dataset.lang, { hour12: false });
  const age = new Intl.NumberFormat(page.dataset.lang, age_format(now() - fresh)).format(age_value(now() - fresh));
  const words = banner.dataset[kind].replace("{time}", time).replace("{age}", age);
  const place = banner.querySelector("span");
  if (place.textContent !== words) place.textContent = words;
}

const age_unit = (seconds) => (STEPS.find(([, each]) => seconds >= each) || STEPS[3]);
const age_format = (seconds) => ({ style: "unit", unit: age_unit(seconds)[0], unitDisplay: "short", maximumFractionDigits: 0 });
const age_value = (seconds) => Math.max(0, Math.floor(seconds / age_unit(seconds)[1]));

function beat({ gateway: answers, at }) {
  beatAt = Date.now();
  ahead = at - beatAt / 1000;
  gateway = answers;
  if (answers) fresh = at;
  judge();
}

/* ---- what happens, as it happens ---- */

const KINDS = ["status", "queue", "link", "associations", "alerts", "log"];
let source = null;
let asking = 0;

function poke(kind) {
  for (const each of document.querySelectorAll(`[hx-trigger*="sse:${kind}"]`)) {
    each.dispatchEvent(new CustomEvent(`sse:${kind}`));
  }
}

function listen() {
  source = new EventSource(page.dataset.live);
  source.addEventListener("beat", (event) => beat(JSON.parse(event.data)));
  source.addEventListener("bye", () => { bye = true; quiet(); judge(); });
  for (const kind of KINDS) source.addEventListener(kind, () => poke(kind));
  source.addEventListener("error", () => {
    /* The browser tries again by itself, unless it was refused: then there is no room, and the page asks. */
    if (source && source.readyState === EventSource.CLOSED) { quiet(); asking = setTimeout(ask, 1000); }
  });
}

async function ask() {
  asking = 0;
  try {
    const answer = await fetch("/live/now", { headers: { "X-Automatic": "1" }, redirect: "error" });
    if (answer.status === 401) bye = true;
    else if (answer.ok) {
      beat(await answer.json());
      KINDS.forEach(poke);
    }
  } catch { /* judge() says so when it has lasted */ }
  judge();
  if (!document.hidden && !source && !bye) asking = setTimeout(ask, 5000);
}

function quiet() {
  if (source) source.close();
  source = null;
  clearTimeout(asking);
  asking = 0;
}

if (page.dataset.live) {
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      quiet(); /* a browser opens few connections to one device: those who look may have them */
    } else if (!source && !bye) {
      beatAt = Date.now();
      listen();
      KINDS.forEach(poke);
    }
  });
  addEventListener("pagehide", quiet);
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}
setInterval(tick, 1000);

/* ---- menus that open: one at a time, closed by Escape or a click elsewhere ---- */

const drops = "details.drop, .bottom details";

document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll(drops)) {
    if (open.open && !open.contains(event.target)) open.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll(drops)) {
    if (open.open) { open.open = false; open.querySelector("summary").focus(); }
  }
});

/* ---- questions before what cannot be undone, and words that have to be typed ---- */

document.addEventListener("submit", (event) => {
  const asked = (event.submitter && event.submitter.dataset.confirm) || event.target.dataset.confirm;
  if (asked && !confirm(asked)) { event.preventDefault(); event.stopImmediatePropagation(); }
}, true);

function typed(field) {
  const button = field.form && field.form.querySelector("button:not([type=button]):not([data-always])");
  if (button) button.disabled = field.value.trim().toLowerCase() !== field.dataset.word.toLowerCase();
}
document.addEventListener("input", (event) => { if (event.target.dataset.word) typed(event.target); });

/* ---- small helpers a page may ask for by attribute ---- */

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-print], [data-copy]");
  if (!button) return;
  if ("print" in button.dataset) print();
  else navigator.clipboard?.writeText(document.getElementById(button.dataset.copy).textContent.trim());
});
document.addEventListener("change", (event) => {
  if ("submit" in event.target.dataset) event.target.form.requestSubmit();
});

function prepare(part) {
  part.querySelectorAll("[data-word]").forEach(typed);
  part.querySelectorAll("[data-needs-script]").forEach((each) => { each.hidden = false; });
}
prepare(document);
document.addEventListener("htmx:afterSwap", () => { prepare(document); tick(); }); /* the element of the event may be gone */
tick();
