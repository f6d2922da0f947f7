// Block Kit -> DOM. A block that is not known is shown as such, never dropped.
import { chart } from "./charts.js";
import { control } from "./elements.js";
import { markdown, mrkdwn, plain } from "./mrkdwn.js";

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

const words = (object, where) => (object.type === "mrkdwn" ? mrkdwn(object.text, where.names) : plain(object.text));

function picture(block) {
  const node = element("img", "");
  const file = block.slack_file?.id;
  node.src = file ? `/files/${encodeURIComponent(file)}` : /^https?:/.test(block.image_url ?? "") ? block.image_url : "";
  node.alt = block.alt_text;
  node.loading = "lazy";
  return node;
}

function rich(part, where) {
  switch (part.type) {
    case "rich_text_section": return element("p", "", ...part.elements.flatMap((one) => rich(one, where)));
    case "rich_text_quote": return element("blockquote", "", ...part.elements.flatMap((one) => rich(one, where)));
    case "rich_text_preformatted": return element("pre", "", ...part.elements.flatMap((one) => rich(one, where)));
    case "rich_text_list":
      return element(part.style === "ordered" ? "ol" : "ul", "", ...part.elements.map((one) => element("li", "", rich(one, where))));
    case "link": return mrkdwn(`<${part.url}|${part.text ?? part.url}>`, where.names);
    case "user": return mrkdwn(`<@${part.user_id}>`, where.names);
    case "emoji": return mrkdwn(`:${part.name}:`, where.names);
    default: {
      const tag = part.style?.code ? "code" : part.style?.bold ? "strong" : part.style?.italic ? "em" : part.style?.strike ? "s" : "span";
      return element(tag, "", part.text ?? part.fallback ?? "");
    }
  }
}

function table(block, where) {
  const rows = block.rows.map((row, index) => element("tr", "", ...row.map((cell) =>
    element(index ? "td" : "th", "", ...(cell.type === "rich_text" ? cell.elements.map((one) => rich(one, where)) : [cell.text])))));
  const named = block.caption ? [element("caption", "", block.caption)] : [];
  return element("div", "scroll", element("table", "", ...named, ...rows));
}

function input(block, where, used) {
  const field = control(block.element, where, (value, selected) => block.dispatch_action && used(block.element, block, value, selected));
  const name = element("span", "", ...plain(block.label.text), ...(block.optional ? [element("small", "", " (optional)")] : []));
  const wrong = element("span", "wrong");
  wrong.role = "alert";
  const labelled = element(field.role === "group" ? "fieldset" : "label", "input", name, field,
    ...(block.hint ? [element("small", "", ...plain(block.hint.text))] : []), wrong);
  labelled.dataset.block = block.block_id;
  labelled.answer = () => [block.block_id, { [block.element.action_id]: field.read() }];
  return labelled;
}

// `used(element, block, value, selected)` is called when somebody uses an element; `where` knows names, users and channels.
export function render(blocks, where, used) {
  const usable = (item, block) => control(item, where, (value, selected) => used(item, block, value, selected));
  return blocks.map((block) => {
    switch (block.type) {
      case "header":
        return element("h3", "", ...words(block.text, where));
      case "section": {
        const node = element("div", "section", element("div", "words", ...(block.text ? words(block.text, where) : [])));
        if (block.fields) node.firstChild.append(element("div", "fields", ...block.fields.map((field) => element("div", "field", ...words(field, where)))));
        if (block.accessory) node.append(block.accessory.type === "image" ? picture(block.accessory) : usable(block.accessory, block));
        return node;
      }
      case "context":
        return element("div", "context", ...block.elements.map((item) => (item.type === "image" ? picture(item) : element("span", "", ...words(item, where)))));
      case "divider":
        return element("hr", "");
      case "actions":
        return element("div", "actions", ...block.elements.map((item) => usable(item, block)));
      case "image":
        return element("figure", "", ...(block.title ? [element("figcaption", "", ...plain(block.title.text))] : []), picture(block));
      case "input":
        return input(block, where, used);
      case "rich_text":
        return element("div", "rich", ...block.elements.map((one) => rich(one, where)));
      case "markdown":
        return element("div", "rich", ...markdown(block.text, where.names));
      case "table":
      case "data_table":
        return table(block, where);
      case "data_visualization":
        return block.chart.type === "pie" ? element("div", "unsupported", "This page does not show: pie") : chart(block);
      default:
        return element("div", "unsupported", `This page does not show: ${block.type}`);
    }
  });
}
