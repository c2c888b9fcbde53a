"use strict";
// Clicks, keys and the panel of the family tree. All text from the search enters the page as text, never as markup.
(() => {
  const search = JSON.parse(document.getElementById("search").textContent);
  const svg = document.getElementById("tree");
  const view = document.getElementById("view");
  const panel = document.getElementById("panel");
  const chosenEdges = document.getElementById("chosen-edges");
  const individuals = new Map(search.individuals.map((one) => [one.uid, one]));
  const nodes = new Map([...svg.querySelectorAll(".node")].map((node) => [node.dataset.uid, node]));
  const children = new Map();
  const columns = [];  // uids of each generation, from the top
  for (const one of search.individuals) {
    (columns[one.generation] ??= []).push(one.uid);
    for (const parent of one.parents ?? []) children.set(parent, [...(children.get(parent) ?? []), one.uid]);
  }
  const edges = new Map();  // uid of a child -> its edges
  for (const edge of svg.querySelectorAll(".edge")) {
    edges.set(edge.dataset.child, [...(edges.get(edge.dataset.child) ?? []), edge]);
  }
  let chosen = null;
  let focused = null;

  // ---- building elements

  function element(name, content = [], attributes = {}) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...[content].flat().filter((part) => part !== null));
    return made;
  }

  function drawn(name, attributes, content = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = content;
    return made;
  }

  function table(head, rows) {
    const cells = (row, kind) => element("tr", row.map((cell) => element(kind, cell)));
    return element("table", [element("thead", cells(head, "th")), element("tbody", rows.map((row) => cells(row, "td")))]);
  }

  function link(uid) {
    const button = element("button", uid, { type: "button", class: "uid" });
    button.addEventListener("click", () => choose(uid));
    return button;
  }

  const short = (value) => typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value ?? "–");
  const score = (value) => value === undefined || value === null ? "–" : value.toFixed(4);

  function signed(value) {
    const text = (value > 0 ? "+" : "") + value.toFixed(4);
    return element("span", text, { class: value > 0 ? "up" : value < 0 ? "down" : "" });
  }

  // ---- what is known of an individual

  function gain(child, parent) {
    const before = new Map(parent.rungs ?? []);
    const common = (child.rungs ?? []).filter(([step]) => before.has(step)).at(-1);
    return common === undefined ? null : { step: common[0], value: common[1] - before.get(common[0]) };
  }

  function changes(child, parent) {
    return search.genes.flatMap((gene, index) =>
      child.genome[index] === parent.genome[index] ? [] : [{ gene, index }]);
  }

  function largestMoves(child, parent, most) {  // rows of a table; genes without a position count as moved far
    const all = changes(child, parent);
    const distance = ({ index }) => Math.abs((child.positions[index] ?? 9) - (parent.positions[index] ?? 0));
    const rows = all.sort((one, other) => distance(other) - distance(one)).slice(0, most).map(({ gene, index }) =>
      [gene.name, `${short(parent.genome[index])} → ${short(child.genome[index])}`]);
    if (all.length > most) rows.push([`and ${all.length - most} smaller changes`, ""]);
    return rows;
  }

  function gainText(child, parent) {
    const step = gain(child, parent);
    if (step === null) return "–";
    return element("span", [signed(step.value), step.step === search.steps ? "" : ` at step ${step.step}`]);
  }

  function ancestry(uid) {  // first parents, oldest first
    const line = [];
    for (let one = individuals.get(uid); one && !line.includes(one); one = individuals.get(one.parents?.[0])) line.unshift(one);
    return line;
  }

  // ---- the panel

  function range(before, now) {
    const picture = drawn("svg", { class: "range", viewBox: "0 0 90 14", "aria-hidden": "true" });
    const at = (position) => 5 + 80 * position;
    picture.append(drawn("line", { x1: 5, x2: 85, y1: 7, y2: 7 }));
    if (before !== null && before !== undefined) picture.append(drawn("circle", { class: "before", cx: at(before), cy: 7, r: 4 }));
    if (now !== null && now !== undefined) picture.append(drawn("circle", { class: "now", cx: at(now), cy: 7, r: 4 }));
    return picture;
  }

  function curve(one, parent) {
    const lines = [[parent?.rungs ?? [], "of-parent"], [one.rungs, ""]];
    const scores = lines.flatMap(([rungs]) => rungs.map(([, value]) => value));
    const low = Math.min(...scores, 0), high = Math.max(...scores) || 1;
    const x = (step) => 44 + 296 * step / search.steps, y = (value) => 128 - 112 * (value - low) / (high - low || 1);
    const picture = drawn("svg", { class: "curve", viewBox: "0 0 360 158", role: "img", "aria-label": "Scores over the steps" });
    picture.append(drawn("path", { class: "axis", d: `M44,12V128H344` }));
    for (const value of [low, high]) picture.append(drawn("text", { x: 38, y: y(value) + 4, "text-anchor": "end" }, short(Number(value.toFixed(3)))));
    for (const [rungs, kind] of lines) {
      picture.append(drawn("path", { class: kind, d: rungs.map(([step, value], index) => `${index ? "L" : "M"}${x(step)},${y(value)}`).join("") }));
      for (const [step, value] of rungs) picture.append(drawn("circle", { class: kind, cx: x(step), cy: y(value), r: 3.5 }));
    }
    const steps = new Set([...one.rungs.map(([step]) => step), search.steps]);
    for (const step of steps) picture.append(drawn("text", { x: x(step), y: 144, "text-anchor": "middle" }, String(step)));
    picture.append(drawn("text", { x: 194, y: 157, "text-anchor": "middle" }, parent ? "optimizer steps (dashed: its parent)" : "optimizer steps"));
    return picture;
  }

  function closeButton() {
    const button = element("button", "Close", { type: "button", class: "close" });
    button.addEventListener("click", close);
    return button;
  }

  function sectionsOf(one) {
    const parent = individuals.get(one.parents?.[0]);
    const marks = [one.uid === search.leader ? (search.hasWinner ? "the winner" : "the best so far") : null, one.elite ? "an elite" : null];
    const facts = [[`Generation`, String(one.generation)], ["Made by", one.operator], ["Status", one.status]];
    if (one.fitness !== undefined) facts.push(["Fitness", score(one.fitness)]);
    if (one.predicted !== undefined) facts.push(["Predicted fitness", score(one.predicted)]);
    if (parent) facts.push(["Parent", link(parent.uid)], ["Gain over it", gainText(one, parent)]);
    facts.push(["Worker seconds", short(one.seconds ?? 0)], ["Attempts", String(one.attempts ?? 0)]);
    const parts = [closeButton(), element("h2", one.uid)];
    const remarks = marks.filter(Boolean).join(", ");
    if (remarks) parts.push(element("p", `This is ${remarks}.`));
    for (const line of search.freshScores[one.uid] ?? []) parts.push(element("p", line));
    if (one.reason) parts.push(element("p", one.reason, { class: "reason" }));
    parts.push(table(["", ""], facts));
    if (one.rungs?.length > 1) parts.push(element("h3", "Scores at the rungs"), curve(one, parent));
    if (parent) {
      const rows = changes(one, parent).map(({ gene, index }) =>
        [gene.name, `${short(parent.genome[index])} → ${short(one.genome[index])}`, range(parent.positions[index], one.positions[index])]);
      parts.push(element("h3", `Changed genes (${rows.length} of ${search.genes.length})`), table(["gene", "parent → this", "in its range"], rows));
    }
    const genome = search.genes.map((gene, index) =>
      [gene.name, short(one.genome[index]), short(gene.default)]);
    parts.push(element("h3", "Genome"), table(["gene", "value", "default"], genome));
    const offspring = children.get(one.uid) ?? [];
    if (offspring.length) {
      parts.push(element("h3", `Children (${offspring.length})`));
      parts.push(table(["uid", "status", "gain"], offspring.map((uid) => [link(uid), individuals.get(uid).status, gainText(individuals.get(uid), one)])));
    }
    return parts;
  }

  function story() {  // shown while nothing is chosen
    if (search.leader === null) return [element("h2", "No fitness yet"), element("p", "No individual has reached the full budget. Choose one in the tree to see its genome.")];
    const parts = [element("h2", search.hasWinner ? `How the winner ${search.leader} came about` : `How ${search.leader}, the best so far, came about`)];
    for (const one of ancestry(search.leader)) {
      const parent = individuals.get(one.parents?.[0]);
      parts.push(element("h3", [link(one.uid), ` fitness ${score(one.fitness)} `, parent ? gainText(one, parent) : null]));
      if (!parent) parts.push(element("p", one.operator === "defaults" ? "The defaults of the search space." : `A first one (${one.operator}).`, { class: "quiet" }));
      else parts.push(table(["changed gene", "before → after"], largestMoves(one, parent, 5)));
    }
    parts.push(element("p", "Fitness is noisy: the best of many scores is too high on average. The verdict rests on trainings with fresh seeds.", { class: "quiet" }));
    return parts;
  }

  // ---- choosing and walking

  function choose(uid) {
    const one = individuals.get(uid);
    if (!one) return false;
    nodes.get(chosen)?.classList.remove("chosen");
    chosen = uid;
    nodes.get(uid).classList.add("chosen");
    svg.classList.add("choosing");
    const line = ancestry(uid).map((ancestor) => ancestor.uid);
    const shown = [...line, ...(children.get(uid) ?? [])].flatMap((child) => edges.get(child) ?? []);
    chosenEdges.replaceChildren(...shown.map((edge) => edge.cloneNode()));
    panel.replaceChildren(...sectionsOf(one));
    panel.scrollTop = 0;
    address(uid);
    focusOn(uid);
    return true;
  }

  function close() {
    nodes.get(chosen)?.classList.remove("chosen");
    svg.classList.remove("choosing");
    chosenEdges.replaceChildren();
    panel.replaceChildren(...story());
    address("");
    if (chosen !== null) focusOn(chosen);
    chosen = null;
  }

  function address(uid) {
    try { history.replaceState(null, "", `#${uid}`); } catch { /* in a frame without an address, as in MLflow */ }
  }

  function focusOn(uid, scroll = true) {
    nodes.get(focused)?.setAttribute("tabindex", "-1");
    focused = uid;
    const node = nodes.get(uid);
    node.setAttribute("tabindex", "0");
    node.focus({ preventScroll: true });
    if (scroll) node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function neighbour(key) {
    const one = individuals.get(focused);
    const column = columns[one.generation], index = column.indexOf(one.uid);
    if (key === "ArrowUp") return column[index - 1];
    if (key === "ArrowDown") return column[index + 1];
    if (key === "ArrowLeft") return one.parents?.[0] ?? columns[one.generation - 1]?.[0];
    if (key === "ArrowRight") {
      const offspring = new Set(children.get(one.uid) ?? []);
      const best = columns.slice(one.generation).flat().find((uid) => offspring.has(uid));
      return best ?? columns[one.generation + 1]?.[Math.min(index, columns[one.generation + 1].length - 1)];
    }
    if (key === "Home") return search.leader;
    return undefined;
  }

  svg.addEventListener("click", (event) => {
    const node = event.target.closest(".node");
    if (node) choose(node.dataset.uid); else close();
  });
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") choose(focused);
    else {
      const next = neighbour(event.key);
      if (next === undefined || next === null) {
        if (event.key.startsWith("Arrow")) event.preventDefault();
        return;
      }
      if (chosen === null) focusOn(next); else choose(next);
    }
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });

  // ---- tools

  let scale = 1;
  function zoom(to) {
    scale = Math.min(3, Math.max(0.1, to));
    svg.setAttribute("width", svg.viewBox.baseVal.width * scale);
    svg.setAttribute("height", svg.viewBox.baseVal.height * scale);
  }
  document.getElementById("larger").addEventListener("click", () => zoom(scale * 1.25));
  document.getElementById("smaller").addEventListener("click", () => zoom(scale / 1.25));
  document.getElementById("fit").addEventListener("click", () =>
    zoom(Math.min(view.clientWidth / svg.viewBox.baseVal.width, view.clientHeight / svg.viewBox.baseVal.height, 1)));
  const lines = document.getElementById("lines");
  const showLines = () => { svg.dataset.lines = lines.value; };
  lines.addEventListener("change", showLines);
  const wanted = document.getElementById("wanted");
  document.getElementById("uids").append(...search.individuals.map((one) => element("option", [], { value: one.uid })));
  document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
  wanted.addEventListener("change", () => {
    wanted.setCustomValidity(wanted.value === "" || choose(wanted.value.trim()) ? "" : "No such individual in this search");
    wanted.reportValidity();
  });

  // ---- the beginning

  showLines();
  zoom(Math.min(1.35, Math.max(0.8, view.clientWidth / svg.viewBox.baseVal.width)));
  panel.replaceChildren(...story());
  const first = search.leader ?? search.individuals[0]?.uid;
  if (first !== undefined) {
    focused = first;
    nodes.get(first).setAttribute("tabindex", "0");
    nodes.get(first).scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  }
  const followHash = () => { const uid = location.hash.slice(1); if (uid && uid !== chosen) choose(uid); };
  window.addEventListener("hashchange", followHash);
  followHash();
})();
