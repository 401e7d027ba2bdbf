// Filters and sorts the list of verdicts, and opens a claim that an address names. Without it the list is a plain table.
(() => {
  "use strict";
  const FILTERS = ["document", "kind", "level", "verdict"];

  function choices(rows, name) {
    return [...new Set(rows.map((row) => row.dataset[name]))].sort();
  }

  function filtered(table) {
    const rows = [...table.tBodies[0].rows];
    const bar = document.createElement("div");
    bar.className = "verdict-filters";
    const status = document.createElement("output");
    const chosen = {};
    const word = document.createElement("input");
    word.type = "search";
    word.placeholder = "a word of the claim";
    word.setAttribute("aria-label", "a word of the claim");

    function show() {
      const wanted = word.value.trim().toLowerCase();
      let count = 0;
      for (const row of rows) {
        const fits = FILTERS.every((name) => !chosen[name] || row.dataset[name] === chosen[name]);
        row.hidden = !(fits && row.cells[0].textContent.toLowerCase().includes(wanted));
        count += !row.hidden;
      }
      status.textContent = `${count} of ${rows.length}`;
    }

    for (const name of FILTERS) {
      const label = document.createElement("label");
      const select = document.createElement("select");
      select.add(new Option("all", ""));
      choices(rows, name).forEach((value) => select.add(new Option(value, value)));
      select.addEventListener("change", () => {
        chosen[name] = select.value;
        show();
      });
      label.append(`${name} `, select);
      bar.append(label);
    }
    word.addEventListener("input", show);
    bar.append(word, status);
    table.before(bar);
    show();
  }

  function compare(one, other) {
    if (one === "" || other === "") return (one === "") - (other === "");
    const [a, b] = [Number(one), Number(other)];
    return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b;
  }

  function sortable(table) {
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = cell.textContent;
      cell.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value;
        const known = [...table.tBodies[0].rows].sort((a, b) => {
          const order = compare(value(a), value(b));
          return down && value(a) !== "" && value(b) !== "" ? -order : order;
        });
        table.tBodies[0].append(...known);
      });
    });
  }

  function open() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("table.verdict-list").forEach((table) => {
      filtered(table);
      sortable(table);
    });
    open();
    window.addEventListener("hashchange", open);
  });
})();
