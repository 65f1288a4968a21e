"use strict";
// Names are only ever put in as text (textContent), never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const ROW = 26, LANE = 10, LANES = 12, CAP = 300;
const $ = (id) => document.getElementById(id);
const state = { query: "", lit: null, picked: -1, space: -1, view: [], place: [], matches: [], at: -1 };

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") element.addEventListener("click", value);
    else if (key === "text") element.textContent = value;
    else if (key === "color") element.style.background = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
const hue = (space) => `hsl(${(space * 137.508 + 210) % 360} 70% 50%)`;
const colorOf = (row) => (data.rows[row].spaces.length ? hue(data.rows[row].spaces[0]) : "#888");
const has = (text) => text.toLowerCase().includes(state.query);
const labelOf = (row) => `${data.rows[row].op} ${data.rows[row].name}`;

// -- the graph: one row a node, each tensor a lane from its maker to its last reader ----------------
function layOut() {
  const all = $("shapes").checked;
  state.view = data.rows.map((_, index) => index).filter((index) => all || data.rows[index].data);
  state.place = new Array(data.rows.length).fill(-1);
  state.view.forEach((row, place) => (state.place[row] = place));
  const last = new Array(state.view.length).fill(-1);
  const sources = state.view.map((row, place) => {
    const seen = data.rows[row].from.map((source) => state.place[source]).filter((at) => at >= 0 && at < place);
    for (const at of seen) last[at] = place;
    return seen;
  });
  state.lane = [];
  const lanes = []; // lane -> place whose tensor runs in it, or -1
  state.lines = sources.map((seen, place) => {
    const through = [];
    const reading = seen.map((at) => state.lane[at]);
    lanes.forEach((owner, lane) => {
      if (owner < 0) return;
      if (last[owner] === place) lanes[lane] = -1;
      else through.push([lane, owner]);
    });
    let lane = reading.length && lanes[reading[0]] === -1 ? reading[0] : lanes.indexOf(-1);
    if (lane < 0) lane = lanes.length;
    state.lane[place] = lane;
    if (last[place] >= 0) lanes[lane] = place;
    return { through, seen, lane, goesOn: last[place] >= 0 };
  });
  state.width = (Math.min(Math.max(0, ...state.lane) + 1, LANES) + 1) * LANE;
  $("rows").style.height = `${state.view.length * ROW}px`;
}
const xOf = (lane) => (Math.min(lane, LANES - 1) + 1) * LANE;

function drawing(place) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("width", state.width);
  svg.setAttribute("height", ROW);
  const add = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    svg.append(element);
  };
  const line = state.lines[place], x = xOf(line.lane), middle = ROW / 2;
  const stroke = (d, row) => add("path", { d, stroke: colorOf(row), "stroke-width": 1.6, fill: "none" });
  for (const [lane, owner] of line.through) stroke(`M${xOf(lane)} 0V${ROW}`, state.view[owner]);
  for (const source of line.seen) {
    const from = xOf(state.lane[source]);
    stroke(from === x ? `M${x} 0V${middle}` : `M${from} 0C${from} ${middle} ${x} 0 ${x} ${middle}`, state.view[source]);
  }
  if (line.goesOn) stroke(`M${x} ${middle}V${ROW}`, state.view[place]);
  add("circle", { cx: x, cy: middle, r: 4.5, fill: colorOf(state.view[place]) });
  return svg;
}

function rowElement(place) {
  const row = state.view[place], { op, name, shape, spaces } = data.rows[row];
  const dim = state.lit && !state.lit.has(row), match = state.query && state.matches.includes(place);
  const element = make("div", { class: `row${dim ? " dim" : ""}${match ? " match" : ""}${row === state.picked ? " picked" : ""}`,
    "data-row": row, title: `${op} ${name} ${shape}`, on: () => pickNode(row) },
    drawing(place), make("b", { text: op }), make("span", { class: "name" }, make("bdi", { text: name })));
  spaces.slice(1, 4).forEach((space) => element.append(make("span", { class: "swatch", color: hue(space) })));
  element.append(make("span", { class: "shape", text: shape }));
  element.style.top = `${place * ROW}px`;
  return element;
}

function drawRows() {
  const top = $("scroller").scrollTop, height = $("scroller").clientHeight || 600;
  const first = Math.max(0, Math.floor(top / ROW) - 8), end = Math.min(state.view.length, Math.ceil((top + height) / ROW) + 8);
  const shown = [];
  for (let place = first; place < end; place++) shown.push(rowElement(place));
  $("rows").replaceChildren(...shown);
  drawMap();
}

function drawMap() {
  const map = $("map"), height = map.clientHeight, count = state.view.length;
  if (!height) return;
  map.width = 28;
  map.height = height;
  const pen = map.getContext("2d"), step = height / count;
  state.view.forEach((row, place) => {
    pen.globalAlpha = state.lit && !state.lit.has(row) ? 0.15 : 1;
    pen.fillStyle = colorOf(row);
    pen.fillRect(4, place * step, 20, Math.max(step, 1));
  });
  pen.globalAlpha = 1;
  pen.fillStyle = "#f00";
  for (const place of state.matches) pen.fillRect(24, place * step, 4, Math.max(step, 2));
  pen.strokeStyle = "#888";
  pen.strokeRect(0.5, ($("scroller").scrollTop / ROW) * step, 27, Math.max(4, ($("scroller").clientHeight / ROW) * step));
}

function goTo(row) {
  if (state.place[row] < 0) {
    $("shapes").checked = true;
    layOut();
  }
  $("scroller").scrollTop = Math.max(0, state.place[row] * ROW - $("scroller").clientHeight / 3);
  drawRows();
}

// -- lists --------------------------------------------------------------------------------------------
function capped(target, items, render) {
  target.append(...items.slice(0, CAP).map(render));
  if (items.length > CAP) {
    const more = make("button", { text: `${items.length - CAP} more`, on: () => more.replaceWith(...items.slice(CAP).map(render)) });
    target.append(more);
  }
}

function spaceItem(index) {
  const space = data.spaces[index];
  return make("button", { class: `item${index === state.space ? " on" : ""}`, "data-space": index, on: () => pickSpace(index) },
    make("span", { class: "swatch", color: hue(index) }), make("span", { class: "label", text: space.name }),
    make("span", { class: "figure", text: `${space.soft ? "soft, " : ""}${space.size} ch, ${space.params}` }));
}

function drawSpaces() {
  const found = data.spaces.map((_, index) => index)
    .filter((index) => has(data.spaces[index].name) || data.spaces[index].parts.some((part) => has(part[1])));
  $("spaces").replaceChildren(make("h2", { text: `Spaces: ${found.length} of ${data.spaces.length}` }));
  capped($("spaces"), found, spaceItem);
}

const placeOf = (one) => `${one.parameter}[${one.axis}]${one.count < one.size ? ` (${one.count} of ${one.size})` : ""}`;

function drawFixed() {
  const found = data.fixed.filter((one) => has(one.parameter) || has(one.reason));
  const groups = new Map();
  for (const one of found) groups.set(one.group, [...(groups.get(one.group) || []), one]);
  $("fixed").replaceChildren(make("h2", { text: `Fixed axes: ${found.length} of ${data.fixed.length}` }));
  for (const [group, members] of [...groups].sort((a, b) => b[1].length - a[1].length)) {
    const details = make("details", {}, make("summary", { text: `${members.length}: ${group}` }));
    details.addEventListener("toggle", () => {
      if (details.children.length === 1) capped(details, members, (one) => make("button", { class: "item", on: () => pickFixed(one) }, make("span", { class: "label", text: placeOf(one) })));
    });
    $("fixed").append(details);
  }
}

// -- what is selected ---------------------------------------------------------------------------------
function select(lit, picked, space, ...content) {
  Object.assign(state, { lit, picked, space });
  $("selected").replaceChildren(...content);
  $("selected").scrollTop = 0;
  drawSpaces();
  drawRows();
}
const nodeLink = (row) => make("button", { text: labelOf(row), on: () => { show("graph"); pickNode(row); } });
const chip = (index) => make("button", { class: "chip", on: () => pickSpace(index) }, make("span", { class: "swatch", color: hue(index) }), make("span", { text: `${data.spaces[index].name}, ${data.spaces[index].size} channels` }));
const clear = () => make("button", { text: "clear", on: () => { select(null, -1, -1, ...hint()); } });
const hint = () => [make("p", { text: "Click a space, a fixed axis or a node: what hangs together lights up." })];

function list(title, items) {
  return items.length ? [make("h3", { text: title }), make("ol", {}, ...items.map((item) => make("li", {}, ...item)))] : [];
}

function pickSpace(index) {
  const space = data.spaces[index];
  const part = ([, name, axis, each, row]) => [`${name}[${axis}]${each === 1 ? "" : `, ${+each.toFixed(2)} indices a channel`} of `, nodeLink(row)];
  const of = (role) => space.parts.filter((one) => one[0] === role).map(part);
  const passes = Object.entries(space.passes).map(([op, number]) => (number === 1 ? op : `${number} ${op}`)).join(", ");
  show("selected");
  select(new Set(space.nodes), -1, index,
    make("h2", {}, make("span", { class: "swatch", color: hue(index) }), ` ${space.name}: ${space.size} channels `, clear()),
    make("p", { text: `${space.params} parameters and ${space.macs} MACs hang on it. ${space.soft ? "Soft: a normalisation runs over it, so it is cut only with --allow-width." : ""}` }),
    ...list("Normalised by", space.normalised.map((row) => [nodeLink(row)])),
    ...list("Made by", of("makes")), ...list("Read by", of("reads")), ...list("Followed by (bias, scale and the like)", of("follows")),
    ...(passes ? [make("h3", { text: "Runs through" }), make("p", { text: passes })] : []));
  if (space.nodes.length) goTo(space.nodes[0]);
}

function chainList(one) {
  return make("ol", {}, ...one.chain.map(([text, row]) => make("li", {}, row < 0 ? text : make("button", { text, on: () => { show("graph"); goTo(row); } }))));
}

function pickFixed(one) {
  const rows = one.chain.map((step) => step[1]).filter((row) => row >= 0);
  show("selected");
  select(new Set(rows), -1, -1, make("h2", {}, `${placeOf(one)} stays `, clear()), make("p", { text: one.reason }),
    make("h3", { text: "From the cause to where it is used" }), chainList(one));
  if (rows.length) goTo(rows[rows.length - 1]);
}

function pickNode(row) {
  const { op, name, shape, spaces, parameters } = data.rows[row];
  const content = [make("h2", {}, `${op} ${name} ${shape} `, clear()), ...spaces.map(chip)];
  for (const [parameter, sizes] of parameters) {
    content.push(make("h3", { text: `${parameter} [${sizes.join(", ")}]` }));
    sizes.forEach((size, axis) => {
      data.spaces.forEach((space, index) => {
        if (space.parts.some((part) => part[1] === parameter && part[2] === axis && part[4] === row)) content.push(make("div", {}, `axis ${axis}: `, chip(index)));
      });
      for (const one of data.fixed) {
        if (one.parameter === parameter && one.axis === axis) content.push(make("div", { text: `axis ${axis}: ${one.count} of ${one.size} fixed` }), chainList(one));
      }
    });
  }
  select(state.lit, row, state.space, ...content);
  goTo(row);
}

// -- search and tabs ----------------------------------------------------------------------------------
function search() {
  state.query = $("search").value.trim().toLowerCase();
  state.matches = state.query ? state.view.map((_, place) => place).filter((place) => {
    const row = data.rows[state.view[place]];
    return has(row.op) || has(row.name) || row.parameters.some((one) => has(one[0]));
  }) : [];
  state.at = -1;
  $("matches").textContent = state.query ? `${state.matches.length} nodes` : "";
  drawSpaces();
  drawFixed();
  if (state.matches.length) step(1);
  else drawRows();
}

function step(by) {
  if (!state.matches.length) return;
  state.at = (state.at + by + state.matches.length) % state.matches.length;
  $("matches").textContent = `${state.at + 1} of ${state.matches.length}`;
  goTo(state.view[state.matches[state.at]]);
}

function show(pane) {
  for (const element of document.querySelectorAll(".pane")) element.classList.toggle("on", element.id === pane);
  for (const tab of document.querySelectorAll("#tabs button")) tab.setAttribute("aria-selected", tab.dataset.pane === pane);
  drawRows();
}

for (const tab of document.querySelectorAll("#tabs button")) tab.addEventListener("click", () => show(tab.dataset.pane));
$("scroller").addEventListener("scroll", () => requestAnimationFrame(drawRows));
window.addEventListener("resize", drawRows);
$("search").addEventListener("input", search);
$("search").addEventListener("keydown", (event) => { if (event.key === "Enter") step(event.shiftKey ? -1 : 1); });
$("next").addEventListener("click", () => step(1));
$("previous").addEventListener("click", () => step(-1));
$("shapes").addEventListener("change", () => { layOut(); search(); });
$("map").addEventListener("click", (event) => {
  $("scroller").scrollTop = (event.offsetY / $("map").clientHeight) * state.view.length * ROW - $("scroller").clientHeight / 2;
});
layOut();
drawSpaces();
drawFixed();
$("selected").replaceChildren(...hint());
show("graph");

// A link to one space or one search: page.html#space=NAME, page.html#find=TEXT
function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const space = data.spaces.findIndex((one) => one.name === wanted.get("space"));
  if (space >= 0) pickSpace(space);
  if (wanted.has("find")) {
    $("search").value = wanted.get("find");
    search();
  }
}
window.addEventListener("hashchange", follow);
follow();
