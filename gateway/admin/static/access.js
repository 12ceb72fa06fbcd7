/* The pages of access: look at a password while typing it, and count a wait down. All of it works without. */
"use strict";

for (const box of document.querySelectorAll(".secret")) {
  const input = box.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "look";
  button.textContent = box.dataset.show;
  button.setAttribute("aria-controls", input.id);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.textContent = shown ? box.dataset.hide : box.dataset.show;
    button.setAttribute("aria-pressed", String(shown));
  });
  const row = document.createElement("div");
  row.className = "look-row";
  const focused = document.activeElement === input;
  input.before(row);
  row.append(input, button);
  if (focused) input.focus(); // moving it took the focus away
  input.form.addEventListener("submit", () => {
    input.type = "password"; // or the browser remembers it as an ordinary text
  });
}

const trouble = document.getElementById("trouble");
if (trouble && trouble.dataset.wait) {
  const words = trouble.querySelector("p");
  const until = Date.now() + Number(trouble.dataset.wait) * 1000;
  const text = words.textContent;
  const timer = setInterval(() => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) {
      words.textContent = text.replace(/\d+/, String(left));
    } else {
      clearInterval(timer);
      words.textContent = trouble.dataset.over;
    }
  }, 1000);
  trouble.setAttribute("aria-live", "off"); // said once, not each second
}
