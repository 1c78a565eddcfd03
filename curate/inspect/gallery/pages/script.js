"use strict";

// What if: every move of a bound asks the server for the counts; while an answer is on its way only the last move waits.
const knobs = document.getElementById("knobs");
if (knobs) {
  const ranges = [...knobs.querySelectorAll("input[type=range]")];
  const numberOf = (name) => knobs.querySelector(`[data-for="${name}"]`);
  const trouble = document.getElementById("trouble");
  let asking = false, again = false;

  const ask = async () => {
    if (asking) { again = true; return; }
    asking = true;
    const moved = ranges.filter((each) => each.dataset.now);
    const query = new URLSearchParams(moved.map((each) => [each.name, each.dataset.now]));
    try {
      const response = await fetch(`/what-if.json?${query}`);
      if (!response.ok) throw new Error("the server could not count");
      const counts = await response.json();
      for (const cell of document.querySelectorAll("[data-count]")) {
        cell.textContent = counts[cell.dataset.count].toLocaleString("en");
        if (cell.href) cell.href = counts[`${cell.dataset.count}_at`];
      }
      trouble.textContent = "";
    } catch (error) {
      trouble.textContent = `${error.message}; is curate view still running?`;
    }
    asking = false;
    if (again) { again = false; ask(); }
  };
  const set = (range, text) => {
    range.dataset.now = Number(text) === Number(range.dataset.was) ? "" : text;
    const shows = knobs.querySelector(`[data-shows="${range.name}"]`);
    if (shows) shows.textContent = text;
    ask();
  };
  for (const range of ranges) {
    range.addEventListener("input", () => {
      numberOf(range.name).value = Number(Number(range.value).toPrecision(4));
      set(range, numberOf(range.name).value);
    });
    numberOf(range.name).addEventListener("input", (event) => {
      if (!event.target.value) return;
      range.value = event.target.value;
      set(range, event.target.value);
    });
  }
  knobs.addEventListener("reset", () => setTimeout(() => ranges.forEach((each) => set(each, each.dataset.was))));
  knobs.addEventListener("submit", (event) => event.preventDefault());
}

// Label mode: a key writes a label and goes on; u takes the last one back and returns to it.
const labelling = document.getElementById("labelling");
if (labelling) {
  const trouble = document.getElementById("trouble");
  const { uid, question, order, next, previous, here } = labelling.dataset;
  let busy = false;

  const write = async (label) => {
    const response = await fetch("/labels", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(label),
    });
    const text = await response.text();
    if (!response.ok) {
      let reason = text;
      try { reason = JSON.parse(text).error; } catch { /* a sentence */ }
      throw new Error(reason);
    }
  };
  const act = async (work) => {
    if (busy) return;
    busy = true;
    try { await work(); } catch (error) { trouble.textContent = error.message; busy = false; }
  };
  const give = (label) => act(async () => {
    await write({ uid, question, order, label });
    sessionStorage.setItem("last", JSON.stringify({ uid, question, order, here }));
    location.assign(next || "/labels");
  });
  const undo = () => act(async () => {
    const last = JSON.parse(sessionStorage.getItem("last") || "null");
    if (!last) throw new Error("no label of this window is left to take back");
    await write({ uid: last.uid, question: last.question, order: last.order, label: null });
    sessionStorage.removeItem("last");
    location.assign(last.here);
  });
  const go = (to) => { if (to) location.assign(to); };

  labelling.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("undo" in button.dataset) undo(); else give(Number(button.dataset.label));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const keys = {
      1: () => give(1), y: () => give(1), 0: () => give(0), n: () => give(0), u: undo,
      j: () => go(next), ArrowRight: () => go(next), k: () => go(previous), ArrowLeft: () => go(previous),
    };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
}
