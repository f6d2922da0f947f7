// The panel of the simulated router: what it does now, and the switches that let it misbehave.
const $ = (id) => document.getElementById(id);
const FAULTS = {
  rsi_drop: "RSI drops", rollbacks: "Rollbacks", fast_cap: "Fast-cap breach", tri_drop: "TRI drops",
  slot_down: "A critical slot is down", ledger_stopped: "The ledger stops",
};
const HABITS = {
  launcher_exports: "The launcher exports a pilot", restart_is_deaf: "Restarts reach nothing", hup_ends_it: "SIGHUP ends it",
  no_live_pilot: "Lines without a pilot", masked_routes: "Masked routes", late_feedback: "Late feedback",
  state_in_place: "State written in place",
};
const DEEDS = {
  restart: ["Restart", "/restart", {}], hup: ["SIGHUP", "/hup", {}],
  rename: ["Rotate by renaming", "/router/rotate", { how: "rename" }],
  truncate: ["Rotate by truncating", "/router/rotate", { how: "copytruncate" }],
};

let brief = "";

async function showRouter() {
  try {
    const router = await (await fetch("/router/state")).json();
    const live = `${Math.round(router.serving * 100)}%`;
    const rows = [["Live traffic", live], ["Ledger lines", router.lines_written.toLocaleString()]];
    $("router").replaceChildren(...rows.flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
    $("settings").replaceChildren(...Object.entries(router.settings).filter(([name]) => /_(ENABLED|PILOT|KILL)$/.test(name))
      .flatMap(([name, value], index) => [index ? "\n" : "", `${name}=`, made("b", value)]));
    const text = router.running ? `· ${live} live · ANR ${router.enabled ? "on" : "off"}${router.kill ? " · guardrail forced" : ""}` : "· its process has ended";
    if (text !== brief) $("brief").textContent = brief = text;
    if ($("note").textContent !== router.note) $("note").textContent = router.note;
    for (const name of Object.keys(FAULTS)) {
      $(name).parentElement.title = router.effects[name];
      if (document.activeElement !== $(name)) $(name).checked = router.misbehaviour[name];
    }
    for (const name of Object.keys(HABITS)) {
      $(name).parentElement.title = router.habit_effects[name];
      if (document.activeElement !== $(name)) $(name).checked = router.habits[name];
    }
  } catch { /* no simulated router beside this workspace */ }
}

const made = (tag, textContent) => Object.assign(document.createElement(tag), { textContent });

function addSwitches(group, names, address, send) {
  for (const [name, text] of Object.entries(names)) {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", id: name });
    box.addEventListener("change", async () => { await send(address, { [name]: box.checked }); showRouter(); });
    const label = Object.assign(document.createElement("label"), { className: "switch" });
    label.append(box, " ", text);
    $(group).append(label);
  }
}

export function startRouter(send) {
  addSwitches("faults", FAULTS, "/router/misbehave", send);
  addSwitches("habits", HABITS, "/router/habits", send);
  for (const [text, address, body] of Object.values(DEEDS)) {
    const button = Object.assign(made("button", text), { type: "button" });
    button.addEventListener("click", async () => { await send(address, body); showRouter(); });
    $("deeds").append(button);
  }
  $("heal").addEventListener("click", async () => { await send("/router/heal", {}); showRouter(); });
  $("slack-down").addEventListener("change", (event) => send("/playground/fault", { slack_down: event.target.checked }));
  const wide = matchMedia("(min-width: 721px)");
  const unfold = () => { $("panel").open = wide.matches; };
  wide.addEventListener("change", unfold);
  $("panel").querySelector("summary").addEventListener("click", (event) => { if (wide.matches) event.preventDefault(); });
  unfold();
  showRouter();
  setInterval(showRouter, 2000);
}
