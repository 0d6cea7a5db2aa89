// Keeps the page's figures fresh. Each element with data-part is replaced by what the server draws
// of it now, when that differs; focus and scroll stay. Without this script one reloads by hand.

const EVERY_MS = 5000;
const PATIENCE_MS = 10000;

const stop = document.getElementById("stop-refresh");
const stale = document.getElementById("stale");
let drawn = new Date();

async function refresh() {
  const response = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.redirected) return location.reload(); // one must sign in again
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const newer = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (newer && newer.innerHTML !== part.innerHTML) replace(part, newer);
  }
  drawn = new Date();
}

function replace(part, newer) {
  const id = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.replaceChildren(...document.adoptNode(newer).childNodes);
  if (id) document.getElementById(id)?.focus({ preventScroll: true });
}

async function tick() {
  if (stop.getAttribute("aria-pressed") === "false" && !document.hidden) {
    try {
      await refresh();
      stale.textContent = "";
    } catch {
      stale.textContent = stale.dataset.text.replace("{0}", drawn.toLocaleTimeString());
    }
  }
  setTimeout(tick, EVERY_MS);
}

stop.hidden = false;
stop.addEventListener("click", () => {
  stop.setAttribute("aria-pressed", String(stop.getAttribute("aria-pressed") === "false"));
});
setTimeout(tick, EVERY_MS);
