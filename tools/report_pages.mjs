// Opens pages of reports in headless Chromium and looks at them as their readers do; see tools/report_pages.py.
//
//   node report_pages.mjs FOLDER     (playwright-core and axe-core are installed beside it or above; CHROMIUM names the browser)
//
// For each page NAME.html with its NAME.names.json: every name is found by the browser's own search, nothing scrolls
// sideways, axe-core finds nothing serious, search and order outlive a refresh; at 1400, 800 and 400 pixels, light and
// dark. Pictures stay beside the pages.

import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

const require = createRequire(join(process.env.NODE_MODULES ?? process.cwd(), "x.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core"), "utf8");

const folder = resolve(process.argv[2]);
const only = process.argv[3] ?? "";
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
let faults = 0;
const say = (page, text) => { faults += 1; console.log(`${page}: ${text}`); };

for (const file of readdirSync(folder).filter((each) => each.endsWith(".html") && each.includes(only))) {
  const names = JSON.parse(readFileSync(join(folder, file.replace(".html", ".names.json")), "utf8"));
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1400, 800, 400]) {
      const where = `${file} ${colorScheme} ${width}`;
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: false });
      const page = await context.newPage();
      page.on("console", (message) => { if (message.type() === "error") say(where, message.text()); });
      await page.goto(`file://${join(folder, file)}`);
      const wide = await page.evaluate(() => {
        const found = [];
        const root = document.documentElement;
        if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} wide`);
        for (const each of document.querySelectorAll("body *"))
          if (each.scrollWidth > each.clientWidth + 1 && each.clientWidth && ["auto", "scroll"].includes(getComputedStyle(each).overflowX))
            found.push(`${each.tagName}.${each.className} scrolls`);
        if (found.length)
          for (const each of document.querySelectorAll("body *"))
            if (each.getBoundingClientRect().right > root.clientWidth + 1 && found.length < 6) found.push(`${each.tagName}.${each.className}: ${each.textContent.slice(0, 60)}`);
        return found;
      });
      for (const fault of wide) say(where, fault);
      // Each search of 5,000 names walks the page from where the one before ended: every name once, in the page's order.
      if (width === 1400 && colorScheme === "light" || names.length < 1000 && colorScheme === "light") {
        const lost = await page.evaluate((wanted) => {
          const table = document.getElementById("all");
          const first = document.createRange();
          first.setStart(table, 0);
          getSelection().removeAllRanges();
          getSelection().addRange(first);
          return wanted.filter((name) => !window.find(name, true, false, true));
        }, names);
        if (lost.length) say(where, `${lost.length} of ${names.length} names are not found: ${lost.slice(0, 3)}`);
      }
      if (names.length < 1000 || width === 400) {
        // The page's own policy refuses scripts; what is added from outside runs in a world of its own.
        const client = await context.newCDPSession(page);
        const { frameTree } = await client.send("Page.getFrameTree");
        const { executionContextId } = await client.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
        await client.send("Runtime.evaluate", { expression: axe, contextId: executionContextId });
        const { result } = await client.send("Runtime.evaluate", {
          expression: `axe.run(document).then((found) => JSON.stringify(found.violations.map((one) => [one.impact, one.id, one.nodes.length, one.nodes[0].html.slice(0, 120)])))`,
          contextId: executionContextId, awaitPromise: true, returnByValue: true,
        });
        for (const [impact, id, count, html] of JSON.parse(result.value ?? "[]"))
          if (["serious", "critical"].includes(impact)) say(where, `axe ${impact}: ${id} (${count}): ${html}`);
          else console.log(`${where}: axe ${impact}: ${id} (${count}): ${html}`);
        if (!result.value) say(where, `axe did not run: ${JSON.stringify(result)}`);
      }
      const height = await page.evaluate(() => { getSelection().removeAllRanges(); scrollTo(0, 0); return document.documentElement.scrollHeight; });
      const picture = join(folder, `${file.replace(".html", "")}-${colorScheme}-${width}.png`);
      await page.screenshot({ path: picture, timeout: 180_000, fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(height, 6000) } });
      if (width === 1400 && colorScheme === "light") {
        await page.fill("#find", "_hwl_");
        await page.click("#all thead th:last-child button");
        const order = () => page.evaluate(() => [...document.querySelectorAll("#all tbody tr:not([hidden])")].map((row) => row.textContent).join());
        const before = await order();
        await page.reload();
        if (await page.inputValue("#find") !== "_hwl_" || await order() !== before) say(where, "a refresh drops search or order");
      }
      await context.close();
    }
  }
}
await browser.close();
console.log(faults ? `${faults} faults` : "nothing to complain of");
process.exit(faults ? 1 : 0);
