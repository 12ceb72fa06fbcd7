/* The page Queue: what is ticked stays ticked, and what is open stays open, while the list keeps itself fresh. */
"use strict";

let held = false; /* a button is being pressed: the list must not change under the finger */
const owed = new Set(); /* what would have changed meanwhile: asked for again afterwards */
let kept = null;

const ticks = () => [...document.querySelectorAll('#rows input[name="number"]')];

function count() {
  const place = document.querySelector("[data-chosen]");
  if (!place) return;
  const all = ticks();
  const chosen = all.filter((each) => each.checked).length;
  place.textContent = chosen || "";
  const every = document.getElementById("tick-all");
  if (every) {
    every.checked = chosen > 0 && chosen === all.length;
    every.indeterminate = chosen > 0 && chosen < all.length;
  }
}

document.addEventListener("change", (event) => {
  if (event.target.id === "tick-all") for (const each of ticks()) each.checked = event.target.checked;
  count();
});

document.addEventListener("pointerdown", () => { held = true; });
for (const kind of ["pointerup", "pointercancel", "dragend"]) {
  document.addEventListener(kind, () => setTimeout(released, 300));
}

function released() {
  held = false;
  for (const id of owed) document.getElementById(id)?.dispatchEvent(new CustomEvent("sse:queue"));
  owed.clear();
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const place = event.detail.target;
  if (held) { event.detail.shouldSwap = false; owed.add(place.id); return; }
  kept = {
    ticked: new Set([...place.querySelectorAll("input:checked")].map((each) => each.id)),
    open: new Set([...place.querySelectorAll("details[open]")].map((each) => each.id)),
  };
});

document.addEventListener("htmx:afterSwap", () => {
  if (kept) {
    for (const id of kept.ticked) { const each = id && document.getElementById(id); if (each) each.checked = true; }
    for (const id of kept.open) { const each = id && document.getElementById(id); if (each) each.open = true; }
    kept = null;
  }
  count();
});
count();
