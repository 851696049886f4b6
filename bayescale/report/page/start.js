// Start the explorers of the page.
const kinds = { forecaster, exhaustion, benchmarks };
for (const host of document.querySelectorAll("[data-explore]"))
  kinds[host.dataset.explore](host, data(host.dataset.source));
// Folded tables are printed too.
const folded = () => document.querySelectorAll("details");
addEventListener("beforeprint", () => folded().forEach((d) => { d.dataset.was = d.open; d.open = true; }));
addEventListener("afterprint", () => folded().forEach((d) => { d.open = d.dataset.was === "true"; }));
