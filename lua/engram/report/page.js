// Draws every chart of the page from the JSON beside it, over its table, which is opened to be printed. What fails is said where the
// chart would stand.
"use strict";
(function () {
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const options = {
    config, renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false },
    tooltip: { theme: "custom" }
  };
  const tables = Array.from(document.querySelectorAll("figure > details"));
  function show(open) { tables.forEach(function (table) { table.open = open; }); }
  show(false);
  window.addEventListener("beforeprint", function () { show(true); });
  window.addEventListener("afterprint", function () { show(false); });
  const drawn = Array.from(document.querySelectorAll(".chart"), function (place) {
    const spec = JSON.parse(document.getElementById(place.id + "-spec").textContent);
    return vegaEmbed(place, spec, options).then(function () {
      place.removeAttribute("style");
    }, function (problem) {
      place.textContent = "This chart could not be drawn: " + problem;
      place.classList.add("failed");
    });
  });
  Promise.all(drawn).then(function () { document.documentElement.dataset.drawn = String(drawn.length); });
})();
