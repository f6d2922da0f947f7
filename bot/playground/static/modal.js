// The modal that the visitor has open: shown, filled in, submitted or closed. The server says which one is on top.
import { render } from "./blocks.js";
import { plain } from "./mrkdwn.js";

const dialog = document.getElementById("modal");
const form = document.getElementById("modal-form");
const body = document.getElementById("modal-body");
const submit = document.getElementById("modal-submit");
const close = document.getElementById("modal-close");
let shown = "";
let view = null;
let act = null;

export function showModal(top, where, actions) {
  act = actions;
  const print = top ? `${top.id} ${top.hash}` : "";
  if (print === shown) return;
  shown = print;
  view = top;
  if (!top) {
    dialog.close();
    return;
  }
  document.getElementById("modal-title").replaceChildren(...plain(top.title.text));
  body.replaceChildren(...render(top.blocks, where, (item, block, value, selected) => act.use(top, item, block, value, selected)));
  submit.hidden = !top.submit;
  submit.textContent = top.submit?.text ?? "";
  close.textContent = top.close?.text ?? "Close";
  if (!dialog.open) dialog.showModal();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  submit.disabled = true;
  for (const field of body.querySelectorAll(".wrong")) field.textContent = "";
  const values = Object.fromEntries([...body.querySelectorAll("[data-block]")].map((field) => field.answer()));
  const answer = await act.submit(view, values);
  for (const [block, text] of Object.entries(answer.errors ?? {})) {
    const field = [...body.querySelectorAll("[data-block]")].find((one) => one.dataset.block === block);
    if (field) field.querySelector(".wrong").textContent = text;
  }
  submit.disabled = false;
});
close.addEventListener("click", () => act.close(view));
dialog.addEventListener("cancel", (event) => {
  event.preventDefault();
  act.close(view);
});
