// Keeps the page that is open up to date: when the node says that something happened, the same page is
// fetched again and what changed is taken over, so focus, scrolling and opened parts stay as they are.
"use strict";

const EVENTS = "/v1/events?blocks=true";
const QUIET_MS = 250; // several events of one block are one update
const POLL_MS = 4000; // members come and go without an event

const sign = document.getElementById("live");
let waiting = null;
let busy = false;
let again = false;

function say(state, text) {
  if (sign.textContent !== text) sign.textContent = text;
  sign.className = `live ${state}`;
}

function soon() {
  waiting ??= setTimeout(update, QUIET_MS);
}

async function update() {
  waiting = null;
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = fresh.getElementById("main");
    if (main) morph(document.getElementById("main"), main);
  } catch {
    // The stream says when the node is out of reach, and when it is back.
  } finally {
    busy = false;
  }
  if (again) {
    again = false;
    soon();
  }
}

// Makes `present` equal to `wanted`, keeping every node that can stay. Elements with data-key keep their
// identity when others come before them.
function morph(present, wanted) {
  if (present.isEqualNode(wanted)) return;
  if (present.nodeType === Node.TEXT_NODE) {
    present.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "open") present.setAttribute(name, value);
  }
  for (const { name } of [...present.attributes]) {
    if (name !== "open" && !wanted.hasAttribute(name)) present.removeAttribute(name);
  }
  let cursor = present.firstChild;
  for (const child of wanted.childNodes) {
    const match = find(present, cursor, child);
    if (match === null) {
      const added = document.importNode(child, true);
      if (added.dataset?.key) added.classList.add("new");
      present.insertBefore(added, cursor);
    } else {
      if (match === cursor) cursor = cursor.nextSibling;
      else present.insertBefore(match, cursor);
      morph(match, child);
    }
  }
  while (cursor !== null) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}

function find(present, cursor, child) {
  const key = child.dataset?.key;
  if (key !== undefined) return [...present.children].find((element) => element.dataset.key === key) ?? null;
  return cursor !== null && cursor.nodeName === child.nodeName && cursor.dataset?.key === undefined ? cursor : null;
}

const stream = new EventSource(EVENTS);
stream.onopen = () => { say("on", "live"); soon(); };
stream.onerror = () => say("off", "reconnecting");
for (const kind of ["event", "block", "lagged"]) stream.addEventListener(kind, soon);
setInterval(() => { if (!document.hidden) soon(); }, POLL_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
addEventListener("pagehide", () => stream.close());
