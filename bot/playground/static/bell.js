// The bell: what a phone has shown to whoever sits here. A mention, a direct message or a reply rings; an update never does.
const seen = new Map();

function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Shows the bell of `person` in `bell`; `go(channel)` leads to where a notification comes from.
export function showBell(bell, notifications, person, go) {
  const rung = notifications[person] ?? [];
  const open = bell.open;
  if (open) seen.set(person, rung.length);
  const fresh = rung.length - (seen.get(person) ?? 0);
  const print = `${person} ${rung.length} ${fresh} ${open}`;
  if (bell.dataset.print === print) return;
  bell.dataset.print = print;
  bell.querySelector("summary").textContent = fresh ? `🔔 ${fresh}` : "🔔";
  bell.querySelector("summary").ariaLabel = fresh === 1 ? "1 new notification" : `${fresh} new notifications`;
  const items = rung.slice(-20).reverse().map((one) => {
    const item = made("button", { type: "button", className: "lock-screen" }, made("strong", { textContent: one.title }), made("span", { textContent: one.text }));
    item.addEventListener("click", () => { bell.open = false; go(one.channel); });
    return item;
  });
  bell.querySelector("div").replaceChildren(...(items.length ? items : [made("p", { textContent: "Nothing has rung yet." })]));
}
