/* A path test whose steps appear as they come. Without this script the form works too, and shows the report. */
"use strict";

(() => {
  const form = document.getElementById("path-test");
  if (!form || !window.ReadableStream) return;
  const running = document.getElementById("running");
  const steps = document.getElementById("live-steps");
  const end = document.getElementById("test-end");
  const after = document.getElementById("after");

  function part(html) {
    const box = document.createElement("template");
    box.innerHTML = html;
    return box.content.firstElementChild;
  }

  function problem(words) {
    const line = document.createElement("p");
    line.className = "notice attention";
    line.setAttribute("role", "alert");
    line.textContent = words;
    end.replaceChildren(line);
  }

  function take(line) {
    if (line.problem) { problem(line.problem); return; }
    if (line.report) {
      end.replaceChildren(part(line.html));
      document.getElementById("to-report").href = line.report;
      after.hidden = false;
      form.dataset.whole = "yes";
      return;
    }
    const fresh = part(line.html);
    const before = document.getElementById(line.place);
    if (before) before.replaceWith(fresh); else steps.append(fresh);
  }

  async function read(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let pending = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (pending + value).split("\n");
      pending = lines.pop();
      lines.filter(Boolean).forEach((line) => take(JSON.parse(line)));
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    steps.replaceChildren();
    end.replaceChildren();
    after.hidden = true;
    delete form.dataset.whole;
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        headers: { Accept: "application/x-ndjson" },
        body: new URLSearchParams(new FormData(form)),
      });
      if (!(answer.headers.get("Content-Type") || "").startsWith("application/x-ndjson")) {
        /* A form that is wrong, a gateway that refuses, somebody who is signed out: the answer is a page. */
        if (answer.redirected) { location.reload(); return; }
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const told = page.querySelector(".problem");
        running.hidden = false;
        problem(told ? told.textContent.trim() : form.dataset.stopped);
        return;
      }
      running.hidden = false;
      running.querySelector("h2").focus();
      await read(answer);
      if (!form.dataset.whole && !end.firstChild) problem(form.dataset.stopped);
    } catch {
      problem(form.dataset.stopped);
    } finally {
      button.disabled = false;
    }
  });
})();
