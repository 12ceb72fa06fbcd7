/* The live log: asks for what is new when the page is poked, and keeps a bounded number of lines. */
"use strict";

{
  const MOST = 500; /* lines in the page */
  const list = document.getElementById("log");
  const state = document.getElementById("log-state");
  const button = document.getElementById("log-pause");
  let next = list.dataset.next;
  let paused = false;
  let asking = false;
  let again = false;

  const say = (kind) => { state.textContent = state.dataset[kind]; };
  const atEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const toEnd = () => { list.scrollTop = list.scrollHeight; };

  function add(html) {
    const follow = atEnd();
    const parsed = new DOMParser().parseFromString(html, "text/html");
    const lines = parsed.querySelectorAll("li");
    if (!lines.length) return;
    document.getElementById("log-empty").hidden = true;
    list.append(...lines);
    while (list.children.length > MOST) list.firstElementChild.remove();
    if (follow) toEnd();
  }

  async function look() {
    if (paused || document.hidden) return;
    if (asking) { again = true; return; }
    asking = true;
    try {
      do {
        again = false;
        const answer = await fetch(`${list.dataset.url}&after=${encodeURIComponent(next)}`, {
          headers: { "X-Automatic": "1", "HX-Request": "true" }, redirect: "error",
        });
        if (!answer.ok) break;
        if (answer.headers.get("X-Restarted") === "1") say("restarted");
        else say(answer.headers.get("X-Lost") === "0" ? "live" : "lost");
        next = answer.headers.get("X-Next");
        add(await answer.text());
        again ||= answer.headers.get("X-More") === "1";
      } while (again && !paused);
    } catch { /* the banner of the page says when the device does not answer */ }
    asking = false;
  }

  if (next) {
    toEnd();
    list.addEventListener("sse:log", look);
    setInterval(look, 10000); /* lines that no event belongs to */
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      button.querySelector("span").textContent = paused ? button.dataset.go : button.dataset.pause;
      button.querySelector("use").setAttribute("href", button.querySelector("use").getAttribute("href").replace(/#.*/, paused ? "#play" : "#pause"));
      say(paused ? "paused" : "live");
      look();
    });
  }
}
