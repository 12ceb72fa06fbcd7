/* Charts of one link. The numbers come as columns; the table below the charts says the same without them. */
"use strict";

(() => {
  const place = document.getElementById("charts");
  if (!place || !window.uPlot) return;
  const AGAIN = 60000; /* milliseconds: the gateway notes once a minute */
  const HEIGHT = 240;
  const DASHES = [[], [8, 4], [2, 3]];
  const drawn = new Map();
  const lang = document.body.dataset.lang;
  const figure = new Intl.NumberFormat(lang, { maximumFractionDigits: 2 });
  let last = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const width = (element) => Math.max(240, element.clientWidth);

  /* The clock of the device counts, not that of whoever looks. */
  const local = (seconds, offset) => {
    const date = new Date((seconds + offset) * 1000);
    return new Date(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds());
  };

  function options(chart, data, element) {
    const ink = colour("--soft"), grid = colour("--line");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui, sans-serif" };
    const value = (plot, raw) => raw === null || raw === undefined ? "–" : `${figure.format(raw)} ${chart.unit}`;
    const hours = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hour12: false });
    const days = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short" });
    const full = new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
    const long = data.end - data.start > 2 * 86400;
    return {
      width: width(element),
      height: HEIGHT,
      tzDate: (seconds) => local(seconds, data.offset),
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: true, range: () => [data.start, data.end] }, y: { range: (plot, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        { ...axis, values: (plot, ticks) => ticks.map((at) => (long ? days : hours).format(local(at, data.offset))) },
        { ...axis, size: 64, values: (plot, ticks) => ticks.map((tick) => figure.format(tick)) },
      ],
      series: [
        { label: place.dataset.time, value: (plot, raw) => raw === null || raw === undefined ? "" : full.format(local(raw, data.offset)) },
        ...chart.series.map((one, index) => ({
          label: one.label,
          stroke: colour(`--plot-${index + 1}`),
          width: index === 0 ? 2 : 1.5,
          dash: DASHES[index],
          value,
          points: { show: one.values.length < 60, size: 5 },
        })),
      ],
    };
  }

  function draw(data) {
    last = data;
    for (const chart of data.charts) {
      const element = document.getElementById(`chart-${chart.id}`);
      drawn.get(chart.id)?.destroy();
      drawn.delete(chart.id);
      element.replaceChildren();
      element.classList.toggle("nothing", chart.empty);
      if (chart.empty) { element.textContent = place.dataset.nothing; continue; }
      drawn.set(chart.id, new uPlot(options(chart, data, element), [data.at, ...chart.series.map((one) => one.values)], element));
    }
    place.dataset.drawn = String(drawn.size);
  }

  async function load() {
    if (document.hidden) return;
    try {
      const answer = await fetch(place.dataset.from, { headers: { "X-Automatic": "1" } });
      if (!answer.ok) throw new Error(String(answer.status));
      draw(await answer.json());
    } catch {
      if (!last) for (const each of place.querySelectorAll(".plot")) { each.classList.add("nothing"); each.textContent = place.dataset.failed; }
    }
  }

  let sizing = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(sizing);
    sizing = requestAnimationFrame(() => {
      for (const plot of drawn.values()) plot.setSize({ width: width(plot.root.parentElement), height: HEIGHT });
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (last) draw(last); });
  document.addEventListener("visibilitychange", load);
  setInterval(load, AGAIN);
  load();
})();
