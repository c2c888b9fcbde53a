"use strict";
// Unpacks plotly.js from the page and draws the figures in the page's colours. Nothing is fetched.
(async () => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const places = [...document.querySelectorAll(".figure")];

  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  function template() {
    const style = getComputedStyle(document.documentElement);
    const [ink, quiet, line, plate] = ["--ink", "--quiet", "--line", "--plate"].map((name) => style.getPropertyValue(name).trim());
    const axis = { gridcolor: line, zerolinecolor: quiet, linecolor: line, automargin: true };
    return { layout: {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: axis, yaxis: axis,
      font: { color: ink, family: "system-ui, Segoe UI, Roboto, sans-serif", size: 12 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: quiet, activecolor: ink },
      hoverlabel: { bgcolor: plate, bordercolor: line, font: { color: ink } },
    } };
  }

  try {
    await unpack();
  } catch (error) {
    for (const place of places) place.textContent = `This figure needs a newer browser (${error.message}); the tables have the numbers.`;
    return;
  }
  const options = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  for (const place of places) {
    const { data, layout } = figures[place.dataset.figure];
    await Plotly.newPlot(place, data, { ...layout, template: template() }, options);
    place.on("plotly_click", ({ points }) => {
      const uid = /^g\d+-\d+/.exec(points[0].text ?? "");
      if (uid) location.href = `lineage.html#${uid[0]}`;
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const place of places) Plotly.relayout(place, { template: template() });
  });
  document.documentElement.dataset.drawn = String(places.length);  // for tests: all figures stand
})();
