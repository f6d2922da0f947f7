// Slack's mrkdwn -> DOM nodes. Outside text only ever becomes text nodes.
const EMOJI = {
  white_check_mark: "✅", no_bell: "🔕", thread: "🧵", checkered_flag: "🏁", x: "❌", warning: "⚠️", no_entry: "⛔", octagonal_sign: "🛑", rocket: "🚀", snowflake: "❄️", seedling: "🌱", ring_buoy: "🛟",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", lock: "🔒", unlock: "🔓", large_green_circle: "🟢", red_circle: "🔴",
  question: "❓", heavy_minus_sign: "➖", mag: "🔍", rotating_light: "🚨", bar_chart: "📊", memo: "📝", bell: "🔔", rewind: "⏪",
  tada: "🎉", eyes: "👀", calendar: "📅", clock9: "🕘", link: "🔗", arrow_up: "⬆️", arrow_down: "⬇️", stopwatch: "⏱️", heavy_check_mark: "✔️",
  information_source: "ℹ️", large_yellow_circle: "🟡", wave: "👋", thumbsup: "👍", "+1": "👍", fire: "🔥", books: "📚", shield: "🛡️",
  construction: "🚧", card_file_box: "🗃️", floppy_disk: "💾", pencil: "✏️", wastebasket: "🗑️", package: "📦", key: "🔑",
  stethoscope: "🩺", satellite: "🛰️", fast_forward: "⏩", double_vertical_bar: "⏸️", arrows_counterclockwise: "🔄", chart_with_upwards_trend: "📈",
};
const TOKEN = /<([^<>]*)>|\*([^*\n]+)\*|`([^`\n]+)`|~([^~\n]+)~|\b_([^_\n]+)_\b|:([a-z0-9_+-]+):/g;

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function wrapped(tag, children, className) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function entity(inside, users) {
  const [target, label] = inside.split("|");
  if (target.startsWith("@")) return wrapped("span", ["@" + (users.get(target.slice(1)) ?? target.slice(1))], "mention");
  if (target.startsWith("!date^")) {
    const moment = new Date(Number(target.split("^")[1]) * 1000);
    const format = target.split("^")[2] ?? "";
    const date = format.includes("{date") ? { month: "short", day: "numeric" } : {};
    const seconds = format.includes("{time_secs}") ? { second: "2-digit" } : {};
    const shown = moment.toLocaleString([], { ...date, hour: "2-digit", minute: "2-digit", ...seconds });
    const node = wrapped("time", [Number.isNaN(moment.getTime()) ? unescape(label ?? "") : shown]);
    node.title = label ?? "";
    return node;
  }
  if (target.startsWith("!") || target.startsWith("#")) return wrapped("span", ["@" + unescape(target.slice(1))], "mention loud");
  if (/^https?:\/\//.test(target)) {
    const link = wrapped("a", [unescape(label ?? target)]);
    link.href = unescape(target);
    link.rel = "noreferrer noopener";
    return link;
  }
  return document.createTextNode(unescape(label ?? target));
}

export function mrkdwn(text, users) {
  const [before, code, ...after] = String(text).split("```");
  if (after.length) return [...mrkdwn(before, users), wrapped("pre", [unescape(code)]), ...mrkdwn(after.join("```"), users)];
  const nodes = [];
  for (const [index, line] of String(text).split("\n").entries()) {
    if (index) nodes.push(document.createElement("br"));
    let at = 0;
    for (const found of line.matchAll(TOKEN)) {
      if (found.index > at) nodes.push(unescape(line.slice(at, found.index)));
      at = found.index + found[0].length;
      if (found[1] !== undefined) nodes.push(entity(found[1], users));
      else if (found[2] !== undefined) nodes.push(wrapped("strong", mrkdwn(found[2], users)));
      else if (found[3] !== undefined) nodes.push(wrapped("code", [unescape(found[3])]));
      else if (found[4] !== undefined) nodes.push(wrapped("s", mrkdwn(found[4], users)));
      else if (found[5] !== undefined) nodes.push(wrapped("em", mrkdwn(found[5], users)));
      else nodes.push(EMOJI[found[6]] ?? found[0]);
    }
    if (at < line.length) nodes.push(unescape(line.slice(at)));
  }
  return nodes;
}

// A plain_text object: no formatting but emoji.
export function plain(text) {
  return [String(text).replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole)];
}

// A markdown block, as far as messages need it: bold, code, links and lines.
export function markdown(text, users) {
  const escaped = String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return mrkdwn(escaped.replace(/\*\*([^*\n]+)\*\*/g, "*$1*").replace(/\[([^\]\n]+)\]\((https?:[^)\s|]+)\)/g, "<$2|$1>").replace(/^#+ (.*)$/gm, "*$1*"), users);
}
