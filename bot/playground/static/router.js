// The panel of the simulated router: what it does now, and the switches that let it misbehave.
const $ = (id) => document.getElementById(id);
const FAULTS = {
  rsi_drop: "RSI drops", rollbacks: "Rollbacks", fast_cap: "Fast-cap breach", tri_drop: "TRI drops",
  slot_down: "A critical slot is down", ledger_stopped: "The ledger stops",
};

async function showRouter() {
  try {
    const router = await (await fetch("/router/state")).json();
    const rows = [["Live traffic", `${Math.round(Number(router.pilot) * 100)} %`], ["ANR", router.enabled ? "on" : "off"],
      ["Guardrail forced", router.kill ? "yes" : "no"], ["Ledger lines", router.lines_written.toLocaleString()]];
    $("router").replaceChildren(...rows.flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }),
    ]));
    for (const name of Object.keys(FAULTS)) {
      if (document.activeElement !== $(name)) $(name).checked = router.misbehaviour[name];
    }
  } catch { /* no simulated router beside this workspace */ }
}

export function startRouter(send) {
  for (const [name, text] of Object.entries(FAULTS)) {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", id: name });
    box.addEventListener("change", () => send("/router/misbehave", { [name]: box.checked }));
    const label = Object.assign(document.createElement("label"), { className: "switch" });
    label.append(box, " ", text);
    $("faults").append(label);
  }
  $("heal").addEventListener("click", () => send("/router/heal", {}));
  $("slack-down").addEventListener("change", (event) => send("/playground/fault", { slack_down: event.target.checked }));
  showRouter();
  setInterval(showRouter, 2000);
}
