/* Home: a revealed patient hides again by itself; the sheet is printed by a button. */
"use strict";

const timers = new WeakMap();

function mask(shown) {
  const place = shown.closest(".patient");
  const masked = place && place.querySelector(".masked");
  if (!masked) return;
  masked.classList.remove("paper-only");
  shown.remove();
  place.dataset.masked = "";
}

function watch(root) {
  for (const shown of root.querySelectorAll("[data-hide-after]")) {
    if (timers.has(shown)) continue;
    const place = shown.closest(".patient");
    if (place) delete place.dataset.masked;
    timers.set(shown, setTimeout(() => mask(shown), Number(shown.dataset.hideAfter) * 1000));
  }
}

document.addEventListener("htmx:afterSwap", () => watch(document));

/* Nobody looks any more, or the page is left: whoever looks next has to ask again. */
const mask_all = () => document.querySelectorAll("[data-hide-after]").forEach(mask);
document.addEventListener("visibilitychange", () => { if (document.hidden) mask_all(); });
addEventListener("pagehide", mask_all);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
});
