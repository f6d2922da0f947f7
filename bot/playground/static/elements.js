// Block Kit's elements that people use. Each becomes a control; `chosen(value, selected)` is called when it is used, and
// `read()` on the node gives its answer in the shape of Slack's `state.values`.
import { plain } from "./mrkdwn.js";

const TEXT_TYPES = { plain_text_input: "text", email_text_input: "email", url_text_input: "url", number_input: "number" };
const DATE_TYPES = {
  datepicker: ["date", "selected_date"], timepicker: ["time", "selected_time"], datetimepicker: ["datetime-local", "selected_date_time"],
};
const PEOPLE_AND_PLACES = { users: "selected_user", channels: "selected_channel", conversations: "selected_conversation" };
let numbered = 0;

function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function button(item, where, chosen) {
  const node = made("button", { type: "button", className: item.style ?? "" }, ...plain(item.text.text));
  if (item.accessibility_label) node.ariaLabel = item.accessibility_label;
  node.addEventListener("click", () => {
    if (/^https?:/.test(item.url ?? "")) window.open(item.url, "_blank", "noopener");
    chosen(item.value);
  });
  node.read = () => ({});
  return node;
}

function text(item, where, chosen) {
  const kind = TEXT_TYPES[item.type];
  const node = item.multiline ? made("textarea", { rows: 4 }) : made("input", { type: kind });
  node.value = item.initial_value ?? "";
  node.placeholder = item.placeholder?.text ?? "";
  if (item.max_length) node.maxLength = item.max_length;
  if (item.min_value) node.min = item.min_value;
  if (item.max_value) node.max = item.max_value;
  node.autofocus = item.focus_on_load === true;
  node.addEventListener("change", () => chosen(node.value));
  node.read = () => ({ value: node.value || null });
  return node;
}

function date(item, where, chosen) {
  const [kind, key] = DATE_TYPES[item.type];
  const initial = item[key.replace("selected_", "initial_")];
  const node = made("input", { type: kind });
  const local = (seconds) => new Date((seconds - new Date(seconds * 1000).getTimezoneOffset() * 60) * 1000).toISOString().slice(0, 16);
  if (initial !== undefined) node.value = kind === "datetime-local" ? local(initial) : initial;
  const answer = () => (!node.value ? null : kind === "datetime-local" ? Math.floor(new Date(node.value).getTime() / 1000) : node.value);
  node.addEventListener("change", () => chosen(undefined, answer()));
  node.read = () => ({ [key]: answer() });
  return node;
}

function select(item, where, chosen) {
  const many = item.type.startsWith("multi_");
  const kind = item.type.replace("multi_", "").replace("_select", "");
  const key = PEOPLE_AND_PLACES[kind] ? PEOPLE_AND_PLACES[kind] + (many ? "s" : "") : many ? "selected_options" : "selected_option";
  const named = (one) => ({ text: { text: one.real_name || `#${one.name}` }, value: one.id });
  const ours = kind === "users" ? where.users.map(named) : kind in PEOPLE_AND_PLACES ? where.channels.map(named) : null;
  const groups = ours ? [{ options: ours }] : item.option_groups ?? [{ options: item.options ?? [] }];
  const options = groups.flatMap((group) => group.options);
  const first = item[`initial_${key.slice("selected_".length)}`];
  const initial = new Set([first].flat().filter(Boolean).map((one) => one.value ?? one));
  const node = made("select", { multiple: many });
  if (!many) node.append(new Option(item.placeholder?.text ?? "Choose…", ""));
  for (const group of groups) {
    const rows = group.options.map((one) => new Option(one.text.text, one.value, false, initial.has(one.value)));
    node.append(...(group.label ? [made("optgroup", { label: group.label.text }, ...rows)] : rows));
  }
  const pick = (value) => (ours ? value : options.find((one) => one.value === value));
  const answer = () => {
    const values = [...node.selectedOptions].map((one) => one.value).filter(Boolean).map(pick);
    return many ? values : values[0] ?? null;
  };
  node.addEventListener("change", () => chosen(undefined, answer()));
  node.read = () => ({ [key]: answer() });
  return node;
}

function choices(item, where, chosen) {
  const many = item.type === "checkboxes";
  const initial = new Set((many ? item.initial_options ?? [] : [item.initial_option].filter(Boolean)).map((one) => one.value));
  const name = `choice-${(numbered += 1)}`;
  const boxes = item.options.map((one) => made("input", { type: many ? "checkbox" : "radio", name, checked: initial.has(one.value) }));
  const rows = item.options.map((one, index) => made("label", { className: "switch" }, boxes[index], " ", ...plain(one.text.text),
    ...(one.description ? [made("small", {}, ...plain(one.description.text))] : [])));
  const node = made("div", { className: "choices", role: "group" }, ...rows);
  const answer = () => {
    const picked = item.options.filter((one, index) => boxes[index].checked);
    return many ? picked : picked[0] ?? null;
  };
  node.addEventListener("change", () => chosen(undefined, answer()));
  node.read = () => ({ [many ? "selected_options" : "selected_option"]: answer() });
  return node;
}

function overflow(item, where, chosen) {
  const node = made("details", { className: "overflow" }, made("summary", { ariaLabel: "More", textContent: "⋯" }));
  for (const option of item.options) {
    const row = made("button", { type: "button" }, ...plain(option.text.text));
    row.addEventListener("click", () => {
      node.open = false;
      chosen(undefined, option);
    });
    node.append(row);
  }
  node.read = () => ({});
  return node;
}

export function control(item, where, chosen) {
  if (item.type === "button") return button(item, where, chosen);
  if (item.type in TEXT_TYPES) return text(item, where, chosen);
  if (item.type in DATE_TYPES) return date(item, where, chosen);
  if (item.type.endsWith("_select")) return select(item, where, chosen);
  if (item.type === "checkboxes" || item.type === "radio_buttons") return choices(item, where, chosen);
  if (item.type === "overflow") return overflow(item, where, chosen);
  const node = made("span", { className: "unsupported", textContent: `This page does not show: ${item.type}` });
  node.read = () => ({});
  return node;
}
