// The page: shows the workspace's state, and does what its visitor does. The state is fetched anew after every change.
import { showBell } from "./bell.js";
import { render } from "./blocks.js";
import { showMessages } from "./messages.js";
import { showModal } from "./modal.js";
import { mrkdwn } from "./mrkdwn.js";
import { startRouter } from "./router.js";

const $ = (id) => document.getElementById(id);
const HOME = "home";
let state = null;
let place = "C0ANROPS";
let thread = null;
let fetching = false;
let again = false;

const me = () => $("person").value;

async function send(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (answer.ok === false && !answer.errors) toast(answer.error || "That did not work.");
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

function confirmed(question) {
  if (!question) return Promise.resolve(true);
  $("confirm-title").textContent = question.title.text;
  $("confirm-text").replaceChildren(...mrkdwn(question.text.text, where().names));
  $("confirm-yes").textContent = question.confirm.text;
  $("confirm-no").textContent = question.deny.text;
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

// A legacy button asks in words of its own.
const asked = (action) => action.confirm && {
  title: { text: action.confirm.title ?? "Are you sure?" }, text: { text: action.confirm.text ?? "" },
  confirm: { text: action.confirm.ok_text ?? "Okay" }, deny: { text: action.confirm.dismiss_text ?? "Cancel" },
};

const where = () => ({
  users: state.users.filter((one) => !one.is_bot), names: new Map(state.users.map((user) => [user.id, user.real_name || user.name])),
  channels: state.channels, files: state.files, shortcuts: state.shortcuts.filter((one) => one.type === "message"),
});

async function use(at, item, block, value, selected) {
  if (!(await confirmed(item.confirm))) return;
  await send("/playground/action", { user: me(), ...at, action_id: item.action_id, block_id: block.block_id, value, selected });
}

const onMessages = {
  use: (message, ...rest) => use({ channel: place, ...(message.whispered ? { ephemeral_ts: message.ts } : { ts: message.ts }) }, ...rest),
  press: async (message, number, action) => {
    if (!(await confirmed(asked(action)))) return;
    await send("/playground/attachment", { user: me(), channel: place, ts: message.ts, number, value: action.value });
  },
  thread: (ts) => { thread = ts; show(); $("thread-text").focus(); },
  shortcut: (callback_id, ts) => send("/playground/shortcut", { user: me(), channel: place, ts, callback_id }),
};
const onViews = {
  use: (view, ...rest) => use({ view_id: view.id }, ...rest),
  submit: (view, values) => send("/playground/view", { user: me(), view_id: view.id, kind: "submit", values }),
  close: (view) => send("/playground/view", { user: me(), view_id: view.id, kind: "close" }),
};

function begin() {
  for (const user of where().users) $("person").add(new Option(`${user.real_name}${user.title ? ` (${user.title})` : ""}`, user.id));
  const tabs = state.channels.filter((one) => !one.is_im).map((one) => [one.id, `# ${one.name}`]);
  if (state.home_tab) tabs.push([HOME, "anr"]);
  for (const [id, name] of tabs) {
    const tab = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    tab.dataset.id = id;
    tab.addEventListener("click", () => {
      place = id;
      thread = null;
      if (id === HOME) send("/playground/home", { user: me() });
      show();
    });
    $("channels").append(tab);
  }
  for (const shortcut of state.shortcuts.filter((one) => one.type === "global")) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: `⚡ ${shortcut.name}` });
    button.addEventListener("click", () => send("/playground/shortcut", { user: me(), callback_id: shortcut.callback_id }));
    $("shortcuts").append(button);
  }
}

function show() {
  if ($("person").options.length === 0) begin();
  $("team").textContent = state.team.name;
  $("slack-down").checked = state.slack_down;
  $("offline").hidden = state.connected;
  for (const tab of $("channels").children) tab.ariaCurrent = String(tab.dataset.id === place);
  const home = place === HOME;
  $("composer").hidden = home;
  $("log").hidden = home;
  $("home").hidden = !home;
  if (home) showHome();
  else showChannel();
  showModal(state.views[me()], where(), onViews);
  showBell($("bell"), state.notifications, me(), (channel) => {
    if (state.channels.some((one) => one.id === channel && !one.is_im)) { place = channel; thread = null; show(); }
  });
}

function showChannel() {
  const all = state.messages[place] ?? [];
  const replies = new Map();
  for (const one of all) if (one.thread_ts && one.thread_ts !== one.ts) replies.set(one.thread_ts, (replies.get(one.thread_ts) ?? 0) + 1);
  const whispers = state.ephemerals.filter((one) => one.user === me() && one.channel === place).map((one) => ({ ...one, whispered: true }));
  const lines = [...all.filter((one) => !one.thread_ts || one.thread_ts === one.ts), ...whispers]
    .map((one) => ({ ...one, replies: replies.get(one.ts) })).sort((a, b) => Number(a.ts) - Number(b.ts));
  showMessages($("log"), lines, where(), onMessages);
  $("thread").hidden = thread === null;
  if (thread !== null) showMessages($("thread-log"), all.filter((one) => one.ts === thread || one.thread_ts === thread), where(), onMessages);
}

function showHome() {
  $("thread").hidden = true;
  const view = state.homes[me()];
  const print = `${me()} ${view?.hash}`;
  if ($("home").dataset.print === print) return;
  $("home").dataset.print = print;
  const blocks = view ? render(view.blocks, where(), (...rest) => onViews.use(view, ...rest)) : ["The app has published nothing here yet."];
  $("home").replaceChildren(...blocks);
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

// What can follow a command, as its usage hint lists it: each a chip that fills in the composer.
function hints() {
  const typed = $("text").value.toLowerCase();
  const lines = typed.startsWith("/") ? (state?.commands ?? []).flatMap((one) =>
    (one.usage_hint || "").split("|").map((words) => `${one.command} ${words.trim()}`.trim())) : [];
  const found = lines.filter((line) => line.startsWith(typed) && line !== typed.trim());
  $("hints").hidden = found.length === 0;
  $("hints").replaceChildren(...found.map((line) => {
    const chip = Object.assign(document.createElement("button"), { type: "button", textContent: line });
    chip.role = "option";
    chip.addEventListener("click", () => fill(line.replace(/ \[.*/, "")));
    return chip;
  }));
}

function fill(text) {
  $("text").value = text;
  hints();
  $("text").focus();
}

for (const step of $("steps").querySelectorAll("button")) step.addEventListener("click", () => fill(step.dataset.text));
let sent = "";
$("text").addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && $("text").value === "" && sent) { event.preventDefault(); fill(sent); }
});
$("text").addEventListener("input", hints);
$("person").addEventListener("change", () => {
  if (place === HOME) send("/playground/home", { user: me() });
  show();
});
$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const typed = $("text").value.trim();
  if (!typed) return;
  sent = typed;
  $("text").value = "";
  hints();
  $("log").scrollTop = $("log").scrollHeight;
  if (typed.startsWith("/")) {
    const [command, ...rest] = typed.split(" ");
    await send("/playground/command", { user: me(), channel: place, command, text: rest.join(" ") });
  } else {
    await send("/playground/message", { user: me(), channel: place, text: typed });
  }
});
$("thread-composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const typed = $("thread-text").value.trim();
  $("thread-text").value = "";
  if (typed) await send("/playground/message", { user: me(), channel: place, text: typed, thread_ts: thread });
});
$("bell").addEventListener("toggle", () => show());
$("thread-close").addEventListener("click", () => { thread = null; show(); });
new EventSource("/playground/events").addEventListener("message", refresh);
refresh();
startRouter(send);
