// The page: shows the workspace's state, and does what its visitor does. The state is fetched anew after every change.
import { render } from "./blocks.js";
import { mrkdwn } from "./mrkdwn.js";

const $ = (id) => document.getElementById(id);
const FAULTS = {
  rsi_drop: "RSI drops", rollbacks: "Rollbacks", fast_cap: "Fast-cap breach", tri_drop: "TRI drops",
  slot_down: "A critical slot is down", ledger_stopped: "The ledger stops",
};
let state = null;
let channel = "C0ANROPS";
let fetching = false;
let again = false;
const shown = new Map();

async function send(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (answer.ok === false) toast(answer.error ?? "That did not work.");
    return answer;
  } catch {
    toast("The playground does not answer. Is it still running?");
    return { ok: false };
  }
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("visible");
  setTimeout(() => $("toast").classList.remove("visible"), 5000);
}

const me = () => $("person").value;

function confirmed(question) {
  if (!question) return Promise.resolve(true);
  $("confirm-title").textContent = question.title.text;
  $("confirm-text").replaceChildren(...mrkdwn(question.text.text, names()));
  $("confirm-yes").textContent = question.confirm.text;
  $("confirm-no").textContent = question.deny.text;
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

const names = () => new Map((state?.users ?? []).map((user) => [user.id, user.real_name || user.name]));

function pressed(message) {
  return async (item, block) => {
    if (!(await confirmed(item.confirm))) return;
    const where = message.whispered ? { ephemeral_ts: message.ts } : { ts: message.ts };
    await send("/playground/action", {
      user: me(), channel, ...where, action_id: item.action_id, block_id: block.block_id, value: item.value,
    });
  };
}

function line(message) {
  const users = names();
  const user = state.users.find((one) => one.id === message.user);
  const name = message.bot_id || message.whispered ? "anr" : user?.real_name ?? message.username ?? "somebody";
  const node = document.createElement("article");
  node.dataset.ts = message.ts;
  node.className = message.whispered ? "message whispered" : "message";
  const face = document.createElement("span");
  face.className = "face";
  face.ariaHidden = "true";
  face.textContent = name.split(" ").map((part) => part[0]).join("").slice(0, 2).toUpperCase();
  const head = document.createElement("p");
  head.className = "head";
  const who = document.createElement("strong");
  who.textContent = name;
  const when = document.createElement("time");
  when.textContent = new Date(Number(message.ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  head.append(who, when);
  if (message.bot_id || message.whispered) head.append(Object.assign(document.createElement("span"), { className: "app", textContent: "APP" }));
  if (message.edited) head.append(Object.assign(document.createElement("small"), { textContent: "(edited)" }));
  if (message.whispered) head.append(Object.assign(document.createElement("small"), { textContent: "Only visible to you" }));
  const body = document.createElement("div");
  body.className = "body";
  body.append(head, ...(message.blocks?.length ? render(message.blocks, users, pressed(message)) : mrkdwn(message.text ?? "", users)));
  node.append(face, body);
  return node;
}

function show() {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  const whispers = state.ephemerals.filter((one) => (one.user === me() || one.to === me()) && one.channel === channel)
    .map((one) => ({ ...one, whispered: true }));
  const lines = [...(state.messages[channel] ?? []), ...whispers].sort((a, b) => Number(a.ts) - Number(b.ts));
  const wanted = lines.map((message) => {
    const key = (message.whispered ? "w" : "m") + message.ts;
    const print = JSON.stringify(message);
    const known = shown.get(key);
    if (known?.print === print) return known.node;
    const node = line(message);
    shown.set(key, { print, node });
    return node;
  });
  const same = wanted.length === log.children.length && wanted.every((node, index) => node === log.children[index]);
  if (!same) log.replaceChildren(...wanted);
  if (!same && atEnd) log.scrollTop = log.scrollHeight;
  $("team").textContent = state.team.name;
  $("slack-down").checked = state.slack_down;
  if ($("person").options.length === 0) {
    for (const user of state.users.filter((one) => !one.is_bot)) {
      $("person").add(new Option(`${user.real_name}${user.title ? ` (${user.title})` : ""}`, user.id));
    }
    for (const one of state.channels) {
      const tab = Object.assign(document.createElement("button"), { type: "button", textContent: `# ${one.name}` });
      tab.addEventListener("click", () => { channel = one.id; tabs(); show(); });
      tab.dataset.id = one.id;
      $("channels").append(tab);
    }
    tabs();
  }
}

function tabs() {
  for (const tab of $("channels").children) tab.ariaCurrent = String(tab.dataset.id === channel);
}

async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    do {
      again = false;
      state = await (await fetch("/playground/state")).json();
      show();
    } while (again);
  } catch {
    toast("The playground does not answer. Is it still running?");
  } finally {
    fetching = false;
  }
}

async function showRouter() {
  try {
    const router = await (await fetch("/router/state")).json();
    const rows = [["Live traffic", `${Math.round(Number(router.pilot) * 100)} %`], ["ANR", router.enabled ? "on" : "off"],
      ["Guardrail forced", router.kill ? "yes" : "no"], ["Ledger lines", router.lines_written.toLocaleString()]];
    $("router").replaceChildren(...rows.flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }),
    ]));
    for (const name of Object.keys(FAULTS)) {
      const box = $(name);
      if (box && document.activeElement !== box) box.checked = router.misbehaviour[name];
    }
  } catch { /* no simulated router beside this workspace */ }
}

function switches() {
  for (const [name, text] of Object.entries(FAULTS)) {
    const label = Object.assign(document.createElement("label"), { className: "switch" });
    const box = Object.assign(document.createElement("input"), { type: "checkbox", id: name });
    box.addEventListener("change", () => send("/router/misbehave", { [name]: box.checked }));
    label.append(box, " ", text);
    $("faults").append(label);
  }
  $("heal").addEventListener("click", () => send("/router/heal", {}));
  $("slack-down").addEventListener("change", (event) => send("/playground/fault", { slack_down: event.target.checked }));
}

function hints() {
  const typed = $("text").value;
  const found = typed.startsWith("/") && !typed.includes(" ") ? (state?.commands ?? []).filter((one) => one.command.startsWith(typed)) : [];
  $("hints").hidden = found.length === 0;
  $("hints").replaceChildren(...found.map((one) => {
    const row = Object.assign(document.createElement("button"), { type: "button", textContent: `${one.command} ${one.usage_hint ?? ""}` });
    row.role = "option";
    row.addEventListener("click", () => { $("text").value = `${one.command} `; hints(); $("text").focus(); });
    return row;
  }));
}

$("text").addEventListener("input", hints);
$("person").addEventListener("change", show);
$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const typed = $("text").value.trim();
  if (!typed) return;
  $("text").value = "";
  hints();
  if (typed.startsWith("/")) {
    const [command, ...rest] = typed.split(" ");
    await send("/playground/command", { user: me(), channel, command, text: rest.join(" ") });
  } else {
    await send("/playground/message", { user: me(), channel, text: typed });
  }
});
switches();
new EventSource("/playground/events").addEventListener("message", refresh);
refresh();
showRouter();
setInterval(showRouter, 2000);
