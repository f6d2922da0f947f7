// Messages -> DOM: a channel's, and a thread's. A message that did not change keeps its node, so that nothing flickers.
import { attachments } from "./attachments.js";
import { render } from "./blocks.js";
import { mrkdwn } from "./mrkdwn.js";

const known = new Map();

function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function line(message, where, actions) {
  const user = where.users.find((one) => one.id === message.user);
  const bot = message.bot_id || message.whispered;
  const name = bot ? "anr" : user?.real_name ?? message.username ?? "somebody";
  const initials = name.split(" ").map((part) => part[0]).join("").slice(0, 2).toUpperCase();
  const moment = new Date(Number(message.ts) * 1000);
  const head = made("p", { className: "head" }, made("strong", { textContent: name }));
  if (bot) head.append(made("span", { className: "app", textContent: "APP" }));
  head.append(made("time", { textContent: moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }), title: moment.toLocaleString() }));
  if (message.edited) head.append(made("small", { textContent: "(edited)" }));
  if (message.whispered) head.append(made("small", { textContent: "Only visible to you", className: "whisper" }));
  const content = message.blocks?.length
    ? render(message.blocks, where, (item, block, value, selected) => actions.use(message, item, block, value, selected))
    : mrkdwn(message.text ?? "", where.names);
  const body = made("div", { className: "body" }, head, ...content);
  body.append(...attachments(message, where, (number, action) => actions.press(message, number, action)));
  for (const file of message.files ?? []) {
    const shown = where.files.find((one) => one.id === file.id);
    if (shown?.mimetype.startsWith("image/")) body.append(made("img", { src: shown.url, alt: shown.name, loading: "lazy" }));
    else if (shown) body.append(made("a", { href: shown.url, textContent: shown.name, download: shown.name }));
  }
  if (message.replies) {
    const open = made("button", { type: "button", className: "replies", textContent: message.replies === 1 ? "1 reply" : `${message.replies} replies` });
    open.addEventListener("click", () => actions.thread(message.ts));
    body.append(open);
  }
  if (!message.whispered && where.shortcuts.length) {
    const menu = made("details", { className: "overflow" }, made("summary", { ariaLabel: "More actions", textContent: "⋯" }));
    for (const shortcut of where.shortcuts) {
      const row = made("button", { type: "button", textContent: shortcut.name });
      row.addEventListener("click", () => { menu.open = false; actions.shortcut(shortcut.callback_id, message.ts); });
      menu.append(row);
    }
    head.append(menu);
  }
  const face = bot ? made("img", { className: "face", src: "/static/icon.svg", alt: "" }) : made("span", { className: "face", ariaHidden: "true", textContent: initials });
  if (!bot && user?.color) face.style.backgroundColor = `#${user.color}`;
  const node = made("article", { className: message.whispered ? "message whispered" : "message" }, face, body);
  node.dataset.ts = message.ts;
  return node;
}

// Shows `messages` in `list`, and stays at the end if the reader was there.
export function showMessages(list, messages, where, actions) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const wanted = messages.map((message) => {
    const key = `${list.id} ${message.whispered ? "w" : "m"}${message.ts}`;
    const print = JSON.stringify(message);
    if (known.get(key)?.print !== print) known.set(key, { print, node: line(message, where, actions) });
    return known.get(key).node;
  });
  if (wanted.length === list.children.length && wanted.every((node, index) => node === list.children[index])) return;
  const focused = document.activeElement?.closest?.("article")?.dataset.ts;
  list.replaceChildren(...wanted);
  if (focused && !document.activeElement?.closest?.("article")) list.querySelector(`[data-ts="${CSS.escape(focused)}"] button`)?.focus();
  if (atEnd) {
    list.scrollTop = list.scrollHeight;
    for (const image of list.querySelectorAll("img")) image.addEventListener("load", () => { list.scrollTop = list.scrollHeight; }, { once: true });
  }
}
