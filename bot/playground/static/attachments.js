// Legacy attachments -> DOM, as other apps' messages still have them: a coloured line, a title, fields, buttons.
import { mrkdwn } from "./mrkdwn.js";

function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const COLOURS = { good: "var(--good)", warning: "#c98a00", danger: "var(--bad)" };
const safe = (url) => /^https?:/.test(url ?? "");

function one(attachment, number, where, press) {
  const box = made("div", { className: "attachment" });
  const colour = COLOURS[attachment.color] ?? (/^#?[0-9a-f]{6}$/i.test(attachment.color ?? "") ? `#${attachment.color.replace("#", "")}` : "");
  if (colour) box.style.borderLeftColor = colour;
  if (attachment.pretext) box.append(made("p", {}, ...mrkdwn(attachment.pretext, where.names)));
  if (attachment.title) {
    const title = safe(attachment.title_link) ? made("a", { href: attachment.title_link, rel: "noopener", target: "_blank" }) : made("span");
    title.append(...mrkdwn(attachment.title, where.names));
    box.append(made("p", {}, made("strong", {}, title)));
  }
  const text = attachment.text || (attachment.title || attachment.pretext ? "" : attachment.fallback);
  if (text) box.append(made("p", {}, ...mrkdwn(text, where.names)));
  if (attachment.fields?.length) {
    box.append(made("div", { className: "fields" }, ...attachment.fields.map((field) =>
      made("div", { className: "field" }, made("strong", { textContent: field.title ?? "" }), made("br"), ...mrkdwn(String(field.value ?? ""), where.names)))));
  }
  if (attachment.actions?.length) {
    box.append(made("div", { className: "actions" }, ...attachment.actions.map((action) => {
      const button = made("button", { type: "button", className: action.style ?? "", textContent: action.text ?? action.name });
      button.addEventListener("click", () => (safe(action.url) ? window.open(action.url, "_blank", "noopener") : press(number, action)));
      return button;
    })));
  }
  return box;
}

// `press(number, action)` is called when somebody presses a button; `number` is the attachment's place, from 1.
export const attachments = (message, where, press) => (message.attachments ?? []).map((attachment, index) => one(attachment, index + 1, where, press));
