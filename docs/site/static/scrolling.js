// What scrolls sideways can be reached, and so scrolled, with the keyboard.
function makeReachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", makeReachable);
addEventListener("resize", makeReachable);
