// Keeps an open page true: a stream says that something changed, the same page is fetched again, and the parts that
// differ are replaced. Without a stream it asks every half a minute. A part in which somebody writes is left alone.

const line = document.getElementById("line");
const banner = document.getElementById("banner");
const spoken = document.getElementById("spoken");
const school = location.pathname.match(/^\/school\/([^/]+)/)?.[1] ?? "";
const LEAST = 5000, OFTEN = 30000, MINUTE = 60000;

let tag = "", last = Date.now(), wanted = 0, busy = false, over = false, streaming = false;
let seen = new Date();

function clock(moment) {
  return moment.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
}

function tell(sort) {
  document.documentElement.dataset.line = sort;
  const text = line.dataset[sort];
  if (sort === "lost" || sort === "over") {
    const full = sort === "lost" ? `${text} ${clock(seen)}.` : text;
    if (banner.textContent !== full) banner.textContent = full;
    banner.hidden = false;
    line.textContent = "";
  } else {
    banner.hidden = true;
    line.textContent = `${text} · ${clock(seen)}`;
  }
}

// Somebody is at work in it: a form was opened and something was written, or the cursor is in a field.
function inUse(part) {
  const field = document.activeElement;
  if (field && part.contains(field) && /^(INPUT|SELECT|TEXTAREA)$/.test(field.tagName)) return true;
  return [...part.querySelectorAll("details[open] input:not([type=hidden])")].some((one) =>
    one.type === "checkbox" || one.type === "radio" ? one.checked !== one.defaultChecked : one.value !== one.defaultValue);
}

function place(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  if (href) return `a[href="${CSS.escape(href)}"]`;
  const details = element.closest("details[id]");
  return details ? `#${CSS.escape(details.id)} ${element.tagName.toLowerCase()}` : "";
}

function replace(old, fresh) {
  const focused = old.contains(document.activeElement) ? place(document.activeElement) : "";
  const states = new Map([...old.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const scrolled = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const before = old.dataset.say;
  old.replaceWith(fresh);
  for (const one of fresh.querySelectorAll("details[id]")) if (states.has(one.id)) one.open = states.get(one.id);
  fresh.querySelectorAll(".scroll").forEach((one, index) => { one.scrollLeft = scrolled[index] ?? 0; });
  if (focused) fresh.querySelector(focused)?.focus({ preventScroll: true });
  if (fresh.dataset.say && fresh.dataset.say !== before) spoken.textContent = fresh.dataset.say;
}

function renew(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  let whole = true;
  const parts = [...page.querySelectorAll("[data-part]")];
  const known = new Map([...document.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
  for (const fresh of parts) {
    const old = known.get(fresh.dataset.part);
    if (!old) { whole = false; continue; }
    known.delete(fresh.dataset.part);
    if (states(old) === states(fresh)) continue;
    if (inUse(old)) whole = false;
    else replace(old, document.adoptNode(fresh));
  }
  for (const [name, old] of known) if (["run", "final", "trouble", "silent", "away"].includes(name)) old.remove();
  // A part that is new on the page has no place here: the page is loaded anew, unless somebody is at work.
  const missing = parts.some((one) => one.dataset.part && !document.querySelector(`[data-part="${one.dataset.part}"]`));
  if (missing && !inUse(document.getElementById("content"))) location.reload();
  return whole;
}

// What the server sent, without what a person opened meanwhile.
function states(part) {
  const copy = part.cloneNode(true);
  for (const one of copy.querySelectorAll("details")) one.removeAttribute("open");
  return copy.outerHTML;
}

async function refresh() {
  if (busy || over) return;
  busy = true;
  last = Date.now();
  wanted = 0;
  try {
    const headers = { Fragment: "1", ...(tag ? { "If-None-Match": tag } : {}) };
    const answer = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin" });
    if (answer.status === 401) { over = true; tell("over"); return; }
    if (answer.status !== 304 && !answer.ok) throw new Error(String(answer.status));
    if (answer.ok && renew(await answer.text())) tag = answer.headers.get("ETag") ?? "";
    seen = new Date();
    tell(streaming ? "live" : "polling");
  } catch {
    tell("lost");
  } finally {
    busy = false;
  }
}

const stream = new EventSource("/live");
stream.addEventListener("open", () => { streaming = true; refresh(); });
stream.addEventListener("error", () => { streaming = false; });
stream.addEventListener("change", (event) => {
  const about = JSON.parse(event.data).school;
  if (!school || !about || about === school) wanted ||= Date.now();
});
addEventListener("pagehide", () => stream.close());
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

setInterval(() => {
  if (document.hidden) return;
  const quiet = Date.now() - last;
  if ((wanted && quiet > LEAST) || quiet > (streaming ? MINUTE : OFTEN)) refresh();
}, 1000);
