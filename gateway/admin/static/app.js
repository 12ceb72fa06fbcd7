/* What every page does beyond its HTML. Without this script all pages can be read and all forms work. */
"use strict";

const body = document.body;
const csrf = body.dataset.csrf;

/* ---- requests of htmx: the form token, and who asked: a person or the page itself ---- */

document.addEventListener("htmx:configRequest", (event) => {
  const { headers, triggeringEvent, verb } = event.detail;
  if (verb !== "get") headers["X-CSRF-Token"] = csrf;
  const type = triggeringEvent ? triggeringEvent.type : "";
  if (!["click", "submit", "change", "input", "keyup", "search"].includes(type)) headers["X-Automatic"] = "1";
});
