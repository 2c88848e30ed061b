"use strict";
(() => {
  const data = document.getElementById("charts").textContent;
  const which = document.getElementById("which");
  const touch = matchMedia("(pointer: coarse)").matches;
  const settings = {
    responsive: true,
    displaylogo: false,
    displayModeBar: touch ? true : "hover",
    modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
  };

  // Colours are names, "@accent", of the style sheet's variables: light or dark.
  function painted(key, value) {
    if (!/color$/.test(key)) return value;
    const style = getComputedStyle(document.documentElement);
    return style.getPropertyValue(value.replace("@", "--")).trim();
  }

  function draw() {
    const { prices, ...charts } = JSON.parse(data, painted);
    if (which) charts.price = prices[which.value];
    for (const [id, figure] of Object.entries(charts)) {
      const place = document.getElementById(id);
      if (!place) continue;
      const named = figure.data.filter((line) => line.showlegend !== false);
      place.style.setProperty("--named", named.length);
      // A finger on a chart scrolls the page; the buttons above it zoom.
      if (touch) figure.layout.dragmode = false;
      Plotly.react(id, figure.data, figure.layout, settings);
    }
  }

  function sort(head) {
    const table = head.closest("table");
    const column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    const number = head.classList.contains("number");
    const text = (row) => row.cells[column].textContent;
    const value = (row) => parseFloat(text(row).replaceAll(",", "").replace("−", "-"));
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => (number ? value(a) - value(b) : text(a).localeCompare(text(b))));
    if (down) rows.reverse();
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }

  for (const head of document.querySelectorAll(".sortable th")) {
    head.addEventListener("click", () => sort(head));
  }
  if (which) which.addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
