// Block Kit -> DOM. A block that is not known is shown as such, never dropped.
import { mrkdwn } from "./mrkdwn.js";

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function words(object, users) {
  if (object.type === "mrkdwn") return mrkdwn(object.text, users);
  return mrkdwn(String(object.text).replaceAll("&", "&amp;").replaceAll("<", "&lt;"), users);
}

function button(item, block, users, press) {
  const node = element("button", item.style ?? "", ...words(item.text, users));
  node.type = "button";
  node.addEventListener("click", () => press(item, block));
  return node;
}

export function render(blocks, users, press) {
  return blocks.map((block) => {
    switch (block.type) {
      case "header":
        return element("h3", "", ...words(block.text, users));
      case "section": {
        const node = element("div", "section", element("div", "", ...(block.text ? words(block.text, users) : [])));
        for (const field of block.fields ?? []) node.append(element("div", "field", ...words(field, users)));
        if (block.accessory?.type === "button") node.append(button(block.accessory, block, users, press));
        return node;
      }
      case "context":
        return element("div", "context", ...block.elements.map((item) => element("span", "", ...(item.text ? words(item, users) : []))));
      case "divider":
        return element("hr", "");
      case "actions":
        return element("div", "actions", ...block.elements.map((item) =>
          item.type === "button" ? button(item, block, users, press) : element("span", "unsupported", `unsupported element: ${item.type}`)));
      default:
        return element("div", "unsupported", `unsupported block: ${block.type}`);
    }
  });
}
