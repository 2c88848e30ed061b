// What keeps a page honest: ages that grow, a lost stream, a dialog, and what a push spares.

const STALE_STREAM_MS = 12_000; // two signs of life of 5 s, and a little
const root = document.documentElement;
const live = document.getElementById("live");
const lost = document.getElementById("lost");
const dialog = document.getElementById("dialog");
const clock = document.getElementById("clock");
const ages = new Intl.RelativeTimeFormat(root.lang, { numeric: "always", style: "narrow" });
const timeOfDay = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: zone() });

let ahead = clock ? Number(clock.dataset.ms) - Date.now() : 0; // of the server's clock, ms
let heardAt = performance.now();

function zone() {
  try {
    new Intl.DateTimeFormat("en", { timeZone: root.dataset.zone });
    return root.dataset.zone;
  } catch {
    return "UTC"; // an old browser knows fewer zones than the server
  }
}

// ── times ────────────────────────────────────────────────────────────────────────────────────

function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return ages.format(-seconds, "second");
  if (seconds < 3600) return ages.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86400) return ages.format(-Math.floor(seconds / 3600), "hour");
  return ages.format(-Math.floor(seconds / 86400), "day");
}

function write(time, now) {
  const passed = now - Number(time.dataset.ms);
  const text = age(passed);
  if (time.textContent !== text) time.textContent = text;
  time.classList.add("is-told");
  if (time.dataset.staleMs) time.classList.toggle("stale", passed > Number(time.dataset.staleMs));
}

function tell(now) {
  for (const time of document.querySelectorAll("time.ago")) write(time, now);
  if (clock) clock.textContent = timeOfDay.format(now);
}

// ── the stream ───────────────────────────────────────────────────────────────────────────────

function heard() {
  heardAt = performance.now();
  if (!root.classList.contains("is-lost")) return;
  root.classList.remove("is-lost");
  lost.textContent = live.dataset.back;
  lost.classList.add("is-back");
  setTimeout(() => { lost.hidden = !root.classList.contains("is-lost"); }, 3000);
}

function silent() {
  if (root.classList.contains("is-lost")) return;
  root.classList.add("is-lost");
  lost.textContent = live.dataset.lost.replace("{time}", timeOfDay.format(Date.now() + ahead));
  lost.classList.remove("is-back");
  lost.hidden = false;
}

// Whoever is not logged in any more is refused, and sent to the login: so does this page go.
async function ask() {
  const answer = await fetch(location.href).catch(() => null);
  if (answer?.redirected) location.reload();
}

if (live?.hasAttribute("sse-connect")) {
  live.addEventListener("htmx:sseOpen", (event) => {
    heard();
    event.detail.source.addEventListener("alive", (alive) => {
      ahead = Number(alive.data) - Date.now();
      heard();
    });
  });
  live.addEventListener("htmx:sseMessage", heard);
  live.addEventListener("htmx:sseError", (event) => {
    silent();
    if (event.detail.source?.readyState === EventSource.CLOSED) ask();
  });
}

// ── what a push spares ───────────────────────────────────────────────────────────────────────

const KEPT = "form[method=get], [data-keep]";

if (window.Idiomorph) {
  Idiomorph.defaults.ignoreActiveValue = true;
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (node, pushed) => {
    if (pushed.matches?.("time.ago")) write(pushed, Date.now() + ahead);
    return !node.matches?.(KEPT);
  };
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
    !(name === "open" && node.localName === "details");
}

document.addEventListener("htmx:afterSwap", () => tell(Date.now() + ahead));

// ── the dialog and the menu ──────────────────────────────────────────────────────────────────

const FIELDS = "input:not([type=hidden]), [data-close]";

document.addEventListener("htmx:beforeSwap", (event) => {
  const path = new URL(event.detail.xhr?.responseURL || location.href).pathname;
  if (path === "/login") { event.detail.shouldSwap = false; location.reload(); }
});
dialog?.addEventListener("htmx:afterSettle", () => { // when its form is not only there, but works
  if (!dialog.childElementCount) return;
  dialog.setAttribute("aria-labelledby", dialog.querySelector("h2").id);
  if (!dialog.open) dialog.showModal();
  // What was pressed has gone with its form.
  else if (!dialog.querySelector(":focus")) dialog.querySelector(FIELDS).focus();
});
dialog?.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.close();
  }
});
dialog?.addEventListener("close", () => dialog.replaceChildren());

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target)) menu.open = false;
});
// A link that calls itself a button is pressed as one.
document.addEventListener("keydown", (event) => {
  const button = event.target.closest("a[role=button]");
  if (event.key !== " " || !button) return;
  event.preventDefault();
  button.click();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

setInterval(() => {
  tell(Date.now() + ahead);
  const isStill = performance.now() - heardAt > STALE_STREAM_MS;
  if (isStill && live?.hasAttribute("sse-connect")) silent();
}, 1000);
tell(Date.now() + ahead);
