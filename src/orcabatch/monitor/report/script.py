"""What a report's page does in a browser: its table of files is searched and sorted. All else works without.

The page of a run that goes on is loaded anew all the time, but not while somebody types; what he
searches and the order stay as they are.

The page says by a digest that this script may run and no other, so nothing that stands in a file's name ever does.
"""

from __future__ import annotations

import base64
import hashlib

SCRIPT = """
(function () {
  var again = Number(document.documentElement.dataset.again);
  var typed = 0;
  function follow() {
    if (Date.now() - typed < 3000) setTimeout(follow, 1000); else location.reload();
  }
  if (again) setTimeout(follow, 1000 * again);
  var table = document.getElementById("all");
  if (!table) return;
  var body = table.tBodies[0], rows = Array.from(body.rows), heads = Array.from(table.tHead.rows[0].cells);
  var texts, order = new Intl.Collator(undefined, {numeric: true});
  var place = document.createElement("p"), label = document.createElement("label");
  var input = document.createElement("input"), said = document.createElement("span");
  place.className = "find";
  label.htmlFor = input.id = "find";
  label.textContent = "Search in this table: ";
  input.type = "search";
  said.setAttribute("role", "status");
  place.append(label, input, said);
  table.parentNode.before(place);
  function keep(name, value) { try { sessionStorage.setItem(name + location.pathname, value); } catch (no) { } }
  function kept(name) { try { return sessionStorage.getItem(name + location.pathname); } catch (no) { return null; } }
  function search() {
    typed = Date.now();
    keep("search", input.value);
    texts = texts || rows.map(function (row) { return row.textContent.toLowerCase(); });
    var words = input.value.toLowerCase().split(/\\s+/).filter(Boolean), shown = 0;
    rows.forEach(function (row, n) {
      row.hidden = !words.every(function (word) { return texts[n].includes(word); });
      shown += !row.hidden;
    });
    said.textContent = words.length ? " " + shown + " of " + rows.length + " rows" : "";
  }
  input.addEventListener("input", search);
  function key(row, n) {
    var cell = row.cells[n];
    return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
  }
  function compare(one, other) {
    return typeof one === "number" && typeof other === "number" ? one - other : order.compare(one, other);
  }
  heads.forEach(function (head, n) {
    var button = document.createElement("button");
    button.type = "button";
    button.append.apply(button, Array.from(head.childNodes));
    head.append(button);
    button.addEventListener("click", function () { sort(head.getAttribute("aria-sort") !== "ascending"); });
    function sort(up) {
      keep("sort", (up ? "+" : "-") + head.textContent);
      heads.forEach(function (each) { each.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      var keyed = rows.map(function (row, at) { return [key(row, n), at, row]; });
      keyed.sort(function (a, b) { return (up ? 1 : -1) * compare(a[0], b[0]) || a[1] - b[1]; });
      body.append.apply(body, keyed.map(function (each) { return each[2]; }));
    }
    if (kept("sort") === "+" + head.textContent) sort(true);
    if (kept("sort") === "-" + head.textContent) sort(false);
  });
  input.value = kept("search") || "";
  if (input.value) search();
  typed = 0;
})();
"""

DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
"""Of the script, as a page's policy names it."""
