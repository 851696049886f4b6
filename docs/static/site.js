// What scrolls can be reached by keyboard.
document.addEventListener("DOMContentLoaded", () => {
  const scrolling = "pre, .table-wrapper, .cell_output, div.math, .session:has(> img), p:has(> img)";
  for (const block of document.querySelectorAll(scrolling)) {
    block.tabIndex = 0;
  }
});
