"use strict";
(function () {
  const root = document.documentElement;
  const names = /*colours*/{};
  function coloured(text) {
    const style = getComputedStyle(root);
    for (const [stand_in, variable] of Object.entries(names)) {
      text = text.split(stand_in).join(style.getPropertyValue(variable).trim());
    }
    return JSON.parse(text);
  }
  const shown = new Map();
  function show(figure) {
    const spec = coloured(figure.querySelector("script").textContent);
    spec.width = "container";
    spec.config.font = getComputedStyle(document.body).fontFamily;
    const options = {
      ast: true, renderer: "svg", tooltip: { theme: "custom" },
      actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
      logLevel: 1,
      downloadFileName: figure.id,
    };
    return vegaEmbed(figure.querySelector(".live"), spec, options).then(function (made) {
      figure.classList.add("is-live");
      const menu = figure.querySelector(".live summary");
      if (menu) menu.setAttribute("aria-label", "Save this chart as a picture");
      shown.set(figure, made);
    }, function (error) {
      figure.classList.remove("is-live");
      console.warn("The chart " + figure.id + " stays a picture: " + error);
    });
  }
  const watch = new IntersectionObserver(function (entries) {
    for (const entry of entries) {
      if (entry.isIntersecting && !shown.has(entry.target)) {
        shown.set(entry.target, null);
        show(entry.target);
      }
    }
  }, { rootMargin: "400px" });
  function cell(value) {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = /^[=+@\t\r-]/.test(text) && !isFinite(text) ? "'" + text : text;
    return /[",\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
  }
  function save(figure) {
    const rows = JSON.parse(figure.querySelector("script").textContent).data.values;
    const keys = Object.keys(rows[0] || {});
    const lines = [keys, ...rows.map((row) => keys.map((key) => row[key]))];
    const text = lines.map((line) => line.map(cell).join(",")).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = figure.id + ".csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }
  for (const figure of document.querySelectorAll("figure.chart")) {
    watch.observe(figure);
    const button = figure.querySelector("button.csv");
    button.hidden = false;
    button.addEventListener("click", function () { save(figure); });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    for (const figure of shown.keys()) show(figure);
  });
  const closed = [];
  addEventListener("beforeprint", function () {
    for (const part of document.querySelectorAll("section:not(.first) > details:not([open])")) {
      part.open = true;
      closed.push(part);
    }
  });
  addEventListener("afterprint", function () {
    for (const part of closed.splice(0)) part.open = false;
  });
})();
