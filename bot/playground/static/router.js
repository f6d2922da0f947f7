// The panel of the simulated router: what it does now, and the switches that let it misbehave.
const $ = (id) => document.getElementById(id);
const FAULTS = {
  rsi_drop: "RSI drops", rollbacks: "Rollbacks", fast_cap: "Fast-cap breach", tri_drop: "TRI drops",
  slot_down: "A critical slot is down", ledger_stopped: "The ledger stops",
};

let brief = "";

async function showRouter() {
  try {
    const router = await (await fetch("/router/state")).json();
    const live = `${Math.round(router.serving * 100)} %`;
    const rows = [["Live traffic", live], ["Ledger lines", router.lines_written.toLocaleString()]];
    $("router").replaceChildren(...rows.flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
    $("settings").replaceChildren(...Object.entries(router.settings).filter(([name]) => /_(ENABLED|PILOT|KILL)$/.test(name))
      .flatMap(([name, value], index) => [index ? "\n" : "", `${name}=`, made("b", value)]));
    const text = `· ${live} live · ANR ${router.enabled ? "on" : "off"}${router.kill ? " · guardrail forced" : ""}`;
    if (text !== brief) $("brief").textContent = brief = text;
    if ($("note").textContent !== router.note) $("note").textContent = router.note;
    for (const name of Object.keys(FAULTS)) {
      $(name).parentElement.title = router.effects[name];
      if (document.activeElement !== $(name)) $(name).checked = router.misbehaviour[name];
    }
  } catch { /* no simulated router beside this workspace */ }
}

const made = (tag, textContent) => Object.assign(document.createElement(tag), { textContent });

export function startRouter(send) {
  for (const [name, text] of Object.entries(FAULTS)) {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", id: name });
    box.addEventListener("change", async () => { await send("/router/misbehave", { [name]: box.checked }); showRouter(); });
    const label = Object.assign(document.createElement("label"), { className: "switch" });
    label.append(box, " ", text);
    $("faults").append(label);
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
