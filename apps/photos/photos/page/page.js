// Below whatever path the page is served, with or without a slash at its end.
const base = location.origin + location.pathname.replace(/\/?$/, "/");
const $ = (selector, within = document) => within.querySelector(selector);
const PARALLEL_UPLOADS = 3;
const POLL_PENDING_MS = [400, 700, 1000, 2000, 3000];
// The totals follow a photo's news by a moment.
const POLL_IDLE_MS = [700, 1000, 2000, 3000, 10_000, 20_000, 60_000];
const SLOW_MS = 60_000;
let round = 0; // of polls since something happened

// An item is a photo that the server knows, an upload of this page, or one that became the other.
// state: waiting | uploading | processing | ready | failed
const items = new Map();
const deleted = new Set();
let older = [];
let nextCursor = null;
let sequence = 0;

const number = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const plural = (n, word) => `${n.toLocaleString()} ${word}${n === 1 ? "" : "s"}`;

function bytes(size) {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) { size /= 1000; unit += 1; }
  return unit || size !== 1 ? `${number.format(size)} ${units[unit]}` : "1 byte";
}

function facts(photo) {
  const list = [["Size", bytes(photo.size)]];
  if (photo.width) list.push(["Dimensions", `${photo.width} × ${photo.height}`]);
  if (photo.camera) list.push(["Camera", photo.camera]);
  if (photo.taken_at) {
    // The clock on the wall where it was taken: the offset, if known, must not shift it to this browser's zone.
    const local = new Date(photo.taken_at.slice(0, 19));
    const shown = local.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    list.push(["Taken", shown.replace(/\s(?=[AP]M$)/, "\u00a0")]);
  }
  return list;
}

async function api(path, options) {
  const answer = await fetch(base + path, options);
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw Object.assign(new Error(sentence(body) || `The server answered with ${answer.status}.`), { status: answer.status });
  return body;
}

function sentence(body) {
  const found = body && (body.detail || body.error || body.message);
  return typeof found === "string" ? found : found && found.message;
}

function say(text) { $("#news").textContent = text; }

function trouble(text) {
  $("#trouble").textContent = text;
  $("#trouble").hidden = !text;
}

// --- cards

function cardOf(item) {
  if (item.card) return item.card;
  const card = item.card = $("#card").content.firstElementChild.cloneNode(true);
  $(".remove", card).addEventListener("click", () => remove(item));
  $(".retry", card).addEventListener("click", () => start(item));
  $(".picture", card).addEventListener("click", () => view(item));
  const image = $("img", card);
  image.addEventListener("load", () => { image.hidden = false; });
  // A signed link ends some day; the next look at the list brings a new one. A preview that is no image just stays away.
  image.addEventListener("error", () => {
    image.hidden = true;
    if (item.preview) forgetPreview(item); else item.shown = null;
  });
  return card;
}

function forgetPreview(item) {
  if (item.preview) URL.revokeObjectURL(item.preview);
  item.preview = null;
}

function render(item) {
  const card = cardOf(item);
  const photo = item.photo;
  card.dataset.state = item.state;
  card.dataset.photo = item.id || "";
  $("h2", card).textContent = $("h2", card).title = photo ? photo.name : item.file.name;
  const source = photo?.thumbnail_url || item.preview;
  const wanted = photo?.thumbnail_url ? photo.etag : item.preview;
  if (source && item.shown !== wanted) {
    item.shown = wanted;
    $("img", card).src = source;
  }
  const ready = item.state === "ready";
  $("img", card).alt = ready ? photo.name : "";
  $(".picture", card).disabled = !ready;
  $(".picture", card).setAttribute("aria-label", ready ? `View ${photo.name}` : item.state);
  $(".progress", card).hidden = item.state !== "uploading";
  $("progress", card).setAttribute("aria-label", `Upload of ${photo ? photo.name : item.file.name}`);
  progress(item, item.done || 0);
  const note = $(".note", card);
  note.textContent = {
    waiting: "Waiting for its turn",
    processing: Date.now() - item.sent > SLOW_MS ? "Still being processed; this takes longer than usual" : "Making the thumbnail",
    failed: item.reason,
  }[item.state] || "";
  note.hidden = !note.textContent;
  $(".retry", card).hidden = !(item.state === "failed" && !photo && !item.refused);
  const button = $(".remove", card);
  if (!item.sure) button.textContent = { ready: "Delete", failed: "Remove", processing: "Delete" }[item.state] || "Cancel";
  button.hidden = item.state === "processing";
  button.setAttribute("aria-label", `${button.textContent} ${photo ? photo.name : item.file.name}`);
  const pairs = photo && item.state === "ready" ? facts(photo) : [["Size", bytes(photo ? photo.size : item.file.size)]];
  const flat = pairs.flat().join("\n");
  if (item.flat !== flat) {
    item.flat = flat;
    $("dl", card).replaceChildren(...pairs.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  }
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function progress(item, share) {
  item.done = share;
  const percent = Math.floor(share * 100);
  $("progress", item.card).value = percent;
  $(".percent", item.card).textContent = `${percent} %`;
}

function arrange() {
  const newest = (item) => item.photo ? item.photo.uploaded_at : `~${String(item.order).padStart(9, "0")}`;
  const wanted = [...items.values()].sort((a, b) => (newest(a) < newest(b) ? 1 : -1));
  const gallery = $("#gallery");
  wanted.forEach((item, at) => {
    if (gallery.children[at] !== item.card) gallery.insertBefore(item.card, gallery.children[at] || null);
  });
  const none = items.size === 0;
  document.body.classList.toggle("no-photos", none);
  $("#empty").hidden = !none;
  $("#more").hidden = !nextCursor;
}

// --- uploading, straight to storage

function add(files) {
  trouble("");
  for (const file of files) {
    const item = { local: true, file, order: sequence += 1, preview: URL.createObjectURL(file), state: "waiting" };
    items.set(`local-${item.order}`, item);
    render(item);
    start(item);
  }
  arrange();
}

const queue = [];
let running = 0;

function start(item) {
  item.state = "waiting";
  item.reason = "";
  render(item);
  queue.push(item);
  pump();
}

function pump() {
  while (running < PARALLEL_UPLOADS && queue.length) {
    const item = queue.shift();
    if (item.gone) continue;
    running += 1;
    upload(item).finally(() => { running -= 1; pump(); });
  }
}

async function upload(item) {
  try {
    item.state = "uploading";
    item.done = 0;
    render(item);
    const { name, size, type } = item.file;
    const target = await api("uploads", { method: "POST", body: JSON.stringify({ name, size, type }), headers: { "content-type": "application/json" } });
    if (item.gone) return;
    item.id = target.photo_id;
    await send(item, target);
    if (item.gone) return;
    item.sent = Date.now();
    if (!item.photo) item.state = "processing";
    say(`${name} uploaded`);
  } catch (error) {
    if (item.gone) return;
    item.state = "failed";
    item.reason = error instanceof TypeError ? "The server cannot be reached." : error.message;
    item.refused = error.status >= 400 && error.status < 500;
    say(`${item.file.name}: ${item.reason}`);
  }
  render(item);
  soon();
}

function send(item, { url, headers }) {
  return new Promise((resolve, reject) => {
    const request = item.request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => { if (event.lengthComputable) progress(item, event.loaded / event.total); };
    request.onload = () => (request.status < 300 ? resolve() : reject(new Error(`The storage refused the upload (${request.status}).`)));
    request.onerror = () => reject(new Error("The connection to the storage broke off."));
    request.onabort = () => reject(new Error("Cancelled."));
    request.send(item.file);
  });
}

// --- what the server knows

function take(photo) {
  if (deleted.has(photo.photo_id)) return;
  let item = items.get(photo.photo_id);
  if (!item) {
    item = [...items.values()].find((each) => each.id === photo.photo_id) || { order: 0 };
    for (const [key, each] of items) if (each === item) items.delete(key);
    items.set(photo.photo_id, item);
  }
  const news = item.local && !item.photo;
  item.id = photo.photo_id;
  item.photo = photo;
  item.state = photo.status;
  item.reason = photo.reason;
  if (news) forgetPreview(item);
  render(item);
  if (news) {
    round = 0;
    say(photo.status === "ready" ? `${photo.name} is ready` : `${photo.name}: ${photo.reason}`);
  }
}

async function refresh() {
  const first = await api("photos");
  if (!older.length) nextCursor = first.next;
  const seen = new Set(older);
  for (const photo of first.photos) { seen.add(photo.photo_id); take(photo); }
  // Deleted elsewhere: known to the server before, no longer in its list.
  const known = [...items.values()].filter((item) => item.photo && !seen.has(item.id));
  if (!first.next) for (const item of known) drop(item);
  const { photos, failed, size } = first.totals;
  $("#totals").textContent = photos || failed
    ? [plural(photos, "photo"), bytes(size), failed && `${failed} failed`].filter(Boolean).join(" · ") : "Your photos, with a thumbnail and the facts for each";
  for (const item of items.values()) if (item.state === "processing") render(item);
  arrange();
}

$("#more").addEventListener("click", async () => {
  try {
    const page = await api(`photos?cursor=${encodeURIComponent(nextCursor)}`);
    nextCursor = page.next;
    for (const photo of page.photos) { older.push(photo.photo_id); take(photo); }
    arrange();
  } catch (error) { trouble(error.message); }
});

let timer = 0;

function soon() {
  round = 0;
  clearTimeout(timer);
  timer = setTimeout(poll, POLL_PENDING_MS[0]);
}

async function poll() {
  clearTimeout(timer);
  try {
    await refresh();
    trouble("");
  } catch (error) {
    trouble(error instanceof TypeError ? "The server cannot be reached. Trying again." : error.message);
  }
  const pending = [...items.values()].some((item) => item.state === "processing");
  const steps = pending ? POLL_PENDING_MS : POLL_IDLE_MS;
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, steps[Math.min(round, steps.length - 1)]);
  round += 1;
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });

// --- deleting and viewing

function drop(item) {
  item.gone = true;
  for (const [key, each] of items) if (each === item) items.delete(key);
  forgetPreview(item);
  item.card.remove();
}

async function remove(item) {
  const button = $(".remove", item.card);
  if (item.state === "ready" && !item.sure) {
    item.sure = true;
    button.textContent = "Delete for good?";
    button.classList.add("sure");
    const calm = () => { item.sure = false; button.classList.remove("sure"); render(item); };
    button.addEventListener("blur", calm, { once: true });
    return;
  }
  const name = item.photo ? item.photo.name : item.file.name;
  try {
    if (item.photo) {
      deleted.add(item.id);
      await api(`photos/${item.id}`, { method: "DELETE" }).catch((error) => { if (error.status !== 404) throw error; });
    }
    const next = item.card.nextElementSibling || item.card.previousElementSibling;
    const here = item.card.contains(document.activeElement);
    drop(item);
    item.request?.abort();
    arrange();
    if (here) ($(".remove", next || document) || $("#files")).focus();  // not from where somebody has gone meanwhile
    say(`${name} deleted`);
    soon();
  } catch (error) {
    deleted.delete(item.id);
    trouble(`${name} could not be deleted: ${error.message}`);
  }
}

async function view(item) {
  const dialog = $("#viewer");
  $("p", dialog).textContent = [item.photo.name, ...facts(item.photo).map(([, value]) => value)].join(" · ");
  const image = $("img", dialog);
  image.alt = item.photo.name;
  image.src = $("img", item.card).src;
  dialog.showModal();
  try {
    image.src = (await api(`photos/${item.id}`)).original_url;
  } catch (error) {
    dialog.close();
    trouble(error.message);
  }
}

$("#viewer").addEventListener("click", (event) => { if (event.target.tagName !== "IMG") $("#viewer").close(); });
$("#files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
let depth = 0;
addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; document.body.classList.add("dropping"); });
addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) document.body.classList.remove("dropping"); });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("dropping");
  add(event.dataTransfer.files);
});

poll();
