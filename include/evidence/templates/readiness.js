"use strict";
(() => {
  const report = JSON.parse(document.getElementById("data").textContent);
  const MARK = {proven: "✔", passed: "✔", failed: "✘", stale: "◷", partial: "◐", unknown: "?", "never drilled": "?", unsupported: "·", "n/a": "·"};
  const SHOWN = {unknown: 0, stale: 1, failed: 2, proven: 3, "n/a": 4};
  const WORST = {failed: 0, unknown: 1, stale: 2, proven: 3, "n/a": 4};
  const $ = (id) => document.getElementById(id);
  const esc = (text) => String(text ?? "").replace(/[&<>"']/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})[c]);
  const mark = (state, word) => `<span class="mark ${state === "n/a" ? "n-a" : state.split(" ").pop() === "drilled" ? "unknown" : state}"><span aria-hidden="true">${MARK[state] ?? "?"}</span> ${esc(word ?? state)}</span>`;
  const when = (iso) => iso ? iso.slice(0, 16).replace("T", " ") + " UTC" : "never";
  const sum = (list, of) => list.reduce((total, item) => total + of(item), 0);

  function brief(seconds) {
    if (seconds === null || seconds === undefined) return "–";
    if (seconds < 10) return seconds.toFixed(1).replace(/\.0$/, "") + "s";
    const whole = Math.round(seconds);
    if (whole < 120) return whole + "s";
    for (const [size, unit, lower, small] of [[86400, "d", 3600, "h"], [3600, "h", 60, "m"], [60, "m", 1, "s"]]) {
      if (whole >= size) {
        const rest = Math.floor(whole % size / lower);
        return Math.floor(whole / size) + unit + (rest ? ` ${rest}${small}` : "");
      }
    }
  }

  // ---- states: computed now, whenever that is ---------------------------------------------------------------------

  const tierOrder = Object.fromEntries(report.tiers.map((tier, position) => [tier.tier, position]));
  const services = report.services.map((service) => ({...service, open: false}));
  for (const service of services) for (const one of service.datastores) {
    one.staleMs = one.stale_at ? Date.parse(one.stale_at) : null;
    one.provenMs = one.proven_at ? Date.parse(one.proven_at) : null;
  }

  function judge(now) {
    let changed = false;
    for (const service of services) {
      for (const one of service.datastores) {
        const stale = one.state === "proven" && one.staleMs !== null && now >= one.staleMs;
        one.now = stale ? "stale" : one.state;
        one.reasonsNow = stale ? [`stale since ${when(one.stale_at)}: no newer proof was published`, ...one.reasons] : one.reasons;
      }
      const worst = service.datastores.reduce((a, b) => a && WORST[a.now] <= WORST[b.now] ? a : b, null);
      const state = worst ? worst.now : service.state;
      changed ||= state !== service.now;
      Object.assign(service, {now: state, worst});
    }
    return changed;
  }

  // ---- what stands above ------------------------------------------------------------------------------------------

  function banners(now) {
    const found = [];
    const say = (kind, title, text, list = []) => found.push(`<div class="banner ${kind}"><strong>${title}</strong> ${text}${list.length ? `<ul>${list.map((l) => `<li>${esc(l)}</li>`).join("")}</ul>` : ""}</div>`);
    if (now > Date.parse(report.expected_again_by)) say("bad", "✘ This page is old.", `A newer one was expected by ${when(report.expected_again_by)}. Nobody publishes any more: look at the scheduler. Ages and states below are as of now.`);
    if (report.stop) say("bad", "✘ Everything is stopped.", `By ${esc(report.stop.by)} since ${when(report.stop.at)}: ${esc(report.stop.reason)}`);
    if (!report.canaries.length) say("warn", "? No canary.", "No verification of a backup known to be bad is on record, so nobody knows that the verifier finds bad ones.");
    for (const canary of report.canaries) {
      const where = `${esc(canary.cloud)} ${esc(canary.region)}`, days = (now - Date.parse(canary.written_at)) / 86400e3;
      if (canary.verdict === "failed") say("bad", "✘ The canary was not caught.", `A backup known to be bad was taken for good in ${where} at ${when(canary.written_at)}: trust no verification of that night. ${esc(canary.summary)}`);
      else if (canary.verdict !== "passed") say("warn", "? No canary.", `In ${where} none could be made at ${when(canary.written_at)}. ${esc(canary.summary)}`);
      else if (days >= 2) say("warn", "◷ The canary is old.", `In ${where} the last one ran at ${when(canary.written_at)}.`);
    }
    if (report.uncatalogued.length) say("bad", "✘ Not in the catalog.", "These databases are there, and nobody proves that they can be restored; <code>drillyard catalog discover</code> drafts their entries.", report.uncatalogued.map((one) => `${one.database} (${one.cloud} ${one.region}), seen ${when(one.seen_at)}`));
    if (!report.kit) say("warn", "? No cold kit.", "Nothing can be brought back once Airflow and the ledger are gone; <code>drillyard evidence export-kit</code> writes one.");
    else {
      if (now - Date.parse(report.kit.written_at) >= 2 * 86400e3) say("warn", "◷ The cold kit is old.", `The last one was exported at ${when(report.kit.written_at)}.`);
      if (report.kit.problems.length) say("warn", "? The cold kit is not whole.", "With it these cannot be brought back:", report.kit.problems);
    }
    if (report.seal) {
      const text = {BROKEN: ["bad", "✘ The evidence is not as it was sealed.", "Run <code>drillyard evidence verify</code> and keep the stores as they are."], UNTRUSTED: ["warn", "? UNTRUSTED seal.", `The evidence is whole, but sealed by a key that is not among the trusted ones (${esc(report.seal.keys.join(", "))}), such as the lab's.`], NONE: ["warn", "? Not sealed.", "No link of the chain was found."]}[report.seal.word];
      if (text) say(...text, report.seal.word === "BROKEN" ? report.seal.findings : []);
    }
    if (report.doubles.length) say("info", "Doubles:", `in the shown evidence these were doubles and not the real thing: ${report.doubles.map(esc).join(", ")}`);
    if (report.catalog_problems.length) say("warn", "? Something could not be read.", "What it touches is unknown.", report.catalog_problems);
    $("banners").innerHTML = found.join("");
  }

  function tiers() {
    $("tiers").innerHTML = report.tiers.map((tier) => {
      const own = services.filter((service) => service.tier === tier.tier);
      const counted = own.filter((service) => service.now !== "n/a").length;
      const proven = own.filter((service) => service.now === "proven").length;
      const marks = Object.keys(SHOWN).map((state) => [state, own.filter((service) => service.now === state).length]).filter(([, n]) => n).map(([state, n]) => mark(state, `${n} ${state}`)).join(" ");
      return `<tr><td><b>${esc(tier.tier)}</b>${tier.blocks_release ? '<div class="soft small">blocks releases</div>' : ""}</td><td class="soft">RPO ${brief(tier.rpo_target_seconds)} · RTO ${brief(tier.rto_target_seconds)} · drilled every ${brief(tier.drill_every_seconds)}</td><td>${marks || '<span class="soft">no services</span>'}</td><td data-label="proven">${counted ? `<b>${proven}</b> of ${counted}` : "–"}</td></tr>`;
    }).join("");
  }

  // ---- rows -------------------------------------------------------------------------------------------------------

  const worstOf = (service, of) => Math.max(...service.datastores.map((one) => of(one) ?? Infinity));
  const KEYS = {
    service: (s) => s.service,
    state: (s) => SHOWN[s.now] * 1000 + (tierOrder[s.tier] ?? -1),
    tier: (s) => tierOrder[s.tier] ?? -1,
    rpo: (s) => s.datastores.length ? worstOf(s, (one) => one.rpo_proven_seconds === null ? null : one.rpo_proven_seconds / one.rpo_target_seconds) : -1,
    rto: (s) => s.datastores.length ? worstOf(s, (one) => one.rto_measured_seconds === null ? null : one.rto_measured_seconds / one.rto_target_seconds) : -1,
    age: (s) => s.datastores.length ? worstOf(s, (one) => one.provenMs === null ? null : -one.provenMs / 1000) : -Infinity,
    chain: (s) => s.chain?.rto_seconds ?? Infinity,
    findings: (s) => -sum(s.datastores, (one) => one.failed_checks.length),
  };
  const view = {key: "state", down: false, text: "", states: new Set(), tier: "", owner: ""};

  function chosen() {
    const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
    const of = KEYS[view.key], sign = view.down ? -1 : 1;
    const compare = (a, b) => a < b ? -1 : a > b ? 1 : 0;
    return services
      .filter((s) => (!view.states.size || view.states.has(s.now)) && (!view.tier || s.tier === view.tier) && (!view.owner || s.owner === view.owner))
      .filter((s) => words.every((word) => (s.haystack ??= haystack(s)).includes(word)))
      .sort((a, b) => sign * compare(of(a), of(b)) || compare(a.service, b.service));
  }
  const haystack = (s) => [s.service, s.description, s.owner, s.tier, ...s.reasons, ...s.datastores.flatMap((one) => [one.datastore, one.region, one.evidence_id, ...one.failed_checks])].join(" ").toLowerCase();

  const against = (value, target) => `<span class="${value !== null && value > target ? "miss" : ""}">${value !== null && value > target ? "✘ " : ""}${brief(value)}</span> <span class="soft">/ ${brief(target)}</span>`;
  const age = (one, now) => one?.provenMs ? brief((now - one.provenMs) / 1000) : "never";

  function spark(one, width = 130, height = 24) {
    const points = one.trend.filter(([, , rto]) => rto !== null);
    if (one.trend.length < 2) return one.trend.length ? '<span class="soft small">one drill so far</span>' : '<span class="soft small">no drills yet</span>';
    const first = one.trend[0][0], span = Math.max(1, one.trend.at(-1)[0] - first);
    const most = Math.max(0.1, ...points.map(([, , rto]) => rto)), near = one.rto_target_seconds < most * 2;
    const top = (near ? Math.max(most, one.rto_target_seconds) : most) * 1.15;
    const x = (t) => (2 + (t - first) / span * (width - 4)).toFixed(1), y = (v) => (height - 2 - v / top * (height - 4)).toFixed(1);
    const path = points.map(([t, , rto], i) => `${i ? "L" : "M"}${x(t)} ${y(rto)}`).join("");
    const failed = one.trend.filter(([, verdict]) => verdict !== "passed");
    const crosses = failed.map(([t]) => `<path class="x" d="M${x(t) - 2.5} ${height - 7}l5 5m0-5l-5 5"/>`).join("");
    const label = `${one.trend.length} drills, ${failed.length} of them not passed; RTO now ${brief(points.at(-1)?.[2])}, target ${brief(one.rto_target_seconds)}`;
    return `<svg class="spark" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}"><title>${label}</title>${near ? `<line x1="0" x2="${width}" y1="${y(one.rto_target_seconds)}" y2="${y(one.rto_target_seconds)}"/>` : ""}<path d="${path}"/>${crosses}</svg>`;
  }

  function rowHtml(s, now) {
    const one = s.worst, many = s.datastores.length > 1;
    const checks = [...new Set(s.datastores.flatMap((d) => d.failed_checks))];
    const reasons = s.datastores.length ? s.datastores.flatMap((d) => d.reasonsNow.map((r) => many ? `${d.datastore}: ${r}` : r)) : s.reasons;
    const findings = (checks.length ? `<b>${checks.map(esc).join(", ")}</b> ` : "") + `<span class="soft">${esc(reasons.join(" · "))}</span>`;
    const chain = s.chain ? (s.chain.rto_seconds === null ? `<span class="soft" title="${esc(s.chain.why_unknown)}">? unknown</span>` : `${s.chain.rto_seconds ? brief(s.chain.rto_seconds) : "–"}${s.chain.path.length > 1 ? ` <span class="soft small" title="${esc(s.chain.path.join(" → "))}">over ${s.chain.path.length}</span>` : ""}`) : "–";
    return `<tr class="row" role="row" id="s-${esc(s.service)}"><td role="cell"><button type="button" class="name" aria-expanded="${s.open}" data-service="${esc(s.service)}">${esc(s.service)}</button><div class="soft small">${esc(s.owner)}${many ? ` · ${s.datastores.length} datastores` : ""}</div></td>`
      + `<td role="cell">${mark(s.now)}</td><td role="cell">${esc(s.tier || "?")}</td>`
      + `<td role="cell" data-label="RPO proven / target">${one ? against(one.rpo_proven_seconds, one.rpo_target_seconds) : "–"}</td><td role="cell" data-label="RTO measured / target">${one ? against(one.rto_measured_seconds, one.rto_target_seconds) : "–"}</td>`
      + `<td role="cell" data-label="Proof age" class="age">${one ? age(one, now) : "–"}</td><td role="cell" data-label="Chain with dependencies">${chain}</td><td role="cell" class="trend">${one ? spark(one) : ""}</td><td role="cell" class="findings"><div class="clip">${findings}</div></td></tr>`;
  }

  const OUTCOMES = {failed: 0, unknown: 1, unsupported: 2, passed: 3};
  function checksHtml(checks, caption) {
    const sorted = [...checks].sort((a, b) => OUTCOMES[a.outcome] - OUTCOMES[b.outcome]);
    return `<table class="checks"><caption class="hidden">${esc(caption)}</caption><thead><tr><th scope="col">Outcome</th><th scope="col">Check</th><th scope="col">Measured</th><th scope="col">Threshold</th><th scope="col">Detail</th></tr></thead><tbody>`
      + sorted.map((c) => `<tr><td>${mark(c.outcome)}</td><td>${esc(c.name)} <span class="soft small">${esc(c.layer)}</span></td><td data-label="measured">${esc(c.measured)}</td><td data-label="threshold">${esc(c.threshold)}</td><td>${esc(c.detail)}</td></tr>`).join("") + "</tbody></table>";
  }

  function timeline(drill) {
    const end = Math.max(0.001, ...drill.phases.map((p) => p.ended_seconds ?? p.started_seconds));
    const colour = (i) => `var(--p${i % 6})`;
    const bars = drill.phases.map((p, i) => `<i style="left:${p.started_seconds / end * 100}%;width:${((p.ended_seconds ?? end) - p.started_seconds) / end * 100}%;background:${colour(i)}"></i>`).join("");
    const legend = drill.phases.map((p, i) => `<li><i style="background:${colour(i)}"></i>${esc(p.name)} ${p.ended_seconds === null ? '<b class="miss">✘ cut off</b>' : brief(p.ended_seconds - p.started_seconds)}${p.note ? ` <span class="soft">${esc(p.note)}</span>` : ""}</li>`).join("");
    return `<h4>Phases, ${brief(end)} in all</h4><div class="timeline" aria-hidden="true">${bars}</div><ul class="legend">${legend}</ul>`;
  }

  function datastoreHtml(one, now) {
    const d = one.drill, v = one.verification;
    const fact = (name, value) => value ? `<div><dt>${name}</dt><dd>${value}</dd></div>` : "";
    const facts = fact("RPO proven / target", against(one.rpo_proven_seconds, one.rpo_target_seconds)) + fact("RTO measured / target", against(one.rto_measured_seconds, one.rto_target_seconds))
      + fact("Proof", one.proven_at ? `${when(one.proven_at)}, ${age(one, now)} ago; ${one.proof_expires_at ? `expires ${when(one.proof_expires_at)}` : "withdrawn by the newest drill"}` : "never proven")
      + (d ? fact("Newest drill", `${mark(d.verdict)} ${when(d.decided_at)}<br>${esc(d.summary)}`) + fact("Why, by whom", `${esc(d.why)}; ${esc(d.requested_by)}`)
        + fact("Recovery point", d.recovery_point ? `${esc(d.recovery_point)}, taken ${when(d.recovery_point_taken_at)}` : "none") + fact("Cost (forecast)", `${esc(d.cost ?? "–")} (${esc(d.forecast_cost)}) ${esc(d.currency)}`)
        + fact("Kept", esc(d.kept)) + fact("Evidence", `<code>${esc(d.evidence_id)}</code>`) : "")
      + (v ? fact("Verified", `${mark(v.verdict)} ${when(v.written_at)}; expires ${when(one.verification_expires_at)}`) + fact("Verification's evidence", `<code>${esc(v.evidence_id)}</code>`) : fact("Verified", "never"))
      + fact("From the cold kit", one.cold.length ? one.cold.map((c) => `${mark(c.verdict)} ${esc(c.store)}, ${when(c.at)}${c.rto_seconds === null ? "" : `, ${brief(c.rto_seconds)}`}${Date.parse(c.expires_at) < now ? " (due again)" : ""}${c.verdict === "passed" ? "" : `<br>${esc(c.summary)}`}`).join("<br>") : "never brought back from one")
      + (one.doubles.length ? fact("Doubles", esc(one.doubles.join(", "))) : "");
    return `<div class="datastore"><h3>${esc(one.datastore)} <span class="soft">${esc(one.cloud)} · ${esc(one.region)}</span> ${mark(one.now)}</h3>`
      + (one.reasonsNow.length ? `<ul class="why">${one.reasonsNow.map((r) => `<li>${esc(r)}</li>`).join("")}</ul>` : "") + `<dl>${facts}</dl>`
      + (one.trend.length > 1 ? `<h4>RTO over a year</h4>${spark(one, 420, 56)}` : "") + (d && d.phases.length ? timeline(d) : "")
      + (d ? `<h4>Checks of the drill${d.docs ? ` · <a href="${encodeURI(d.docs)}">Data Docs</a>` : ""}</h4>${checksHtml(d.checks, "Checks of the newest drill")}` : "")
      + (v ? `<h4>Checks of the backups</h4>${checksHtml(v.checks, "Checks of the newest verification")}` : "") + "</div>";
  }

  function detailHtml(s, now) {
    const own = s.datastores.length ? "" : `<ul class="why">${s.reasons.map((r) => `<li>${esc(r)}</li>`).join("")}</ul>`;
    const needs = s.depends_on.length ? `<p class="small">Needs: ${s.depends_on.map((name) => `<a href="#${esc(name)}">${esc(name)}</a>`).join(", ")}.${s.chain?.path.length > 1 ? ` Slowest chain: ${s.chain.path.map(esc).join(" → ")}, ${brief(s.chain.rto_seconds)}.` : s.chain?.why_unknown ? ` ${esc(s.chain.why_unknown)}.` : ""}</p>` : "";
    return `<tr class="detail" role="row"><td colspan="9" role="cell">${s.description ? `<p class="small">${esc(s.description)}</p>` : ""}${needs}${own}${s.datastores.map((one) => datastoreHtml(one, now)).join("")}</td></tr>`;
  }

  // Rows beyond the first screens follow when the browser is idle: a thousand services open as fast as twelve.
  const FIRST = 80;
  let drawing = 0;
  function draw() {
    const now = Date.now(), list = chosen(), turn = ++drawing;
    const html = (from, to) => list.slice(from, to).map((s) => rowHtml(s, now) + (s.open ? detailHtml(s, now) : "")).join("");
    const focused = document.activeElement?.dataset?.service;
    $("rows").innerHTML = list.length ? html(0, FIRST) : '<tr><td colspan="9" class="empty">No service fits these filters.</td></tr>';
    const more = (from) => {
      if (turn !== drawing || from >= list.length) return;
      $("rows").insertAdjacentHTML("beforeend", html(from, from + 150));
      later(() => more(from + 150));
    };
    later(() => more(FIRST));
    if (focused) document.querySelector(`button[data-service="${CSS.escape(focused)}"]`)?.focus();
    $("count").textContent = list.length === services.length ? `${services.length} services` : `${list.length} of ${services.length} services`;
    $("sort").value = view.key;
    for (const th of document.querySelectorAll("th[data-key]")) {
      if (th.dataset.key === view.key) th.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
  }
  const later = (work) => window.requestIdleCallback ? requestIdleCallback(work, {timeout: 200}) : setTimeout(work, 0);

  function states() {
    $("states").innerHTML = Object.keys(SHOWN).map((state) => [state, services.filter((s) => s.now === state).length]).filter(([state, n]) => n || view.states.has(state))
      .map(([state, n]) => `<button type="button" data-state="${state}" aria-pressed="${view.states.has(state)}"><span aria-hidden="true">${MARK[state]}</span> ${n} ${state}</button>`).join(" ");
  }

  function refresh(force) {
    const now = Date.now(), changed = judge(now);
    $("made-age").textContent = `(${brief(Math.max(0, now - Date.parse(report.generated_at)) / 1000)} ago)`;
    banners(now);
    if (changed || force) { tiers(); states(); draw(); return; }
    for (const s of services) if (s.worst) {
      const cell = document.getElementById(`s-${s.service}`)?.querySelector(".age");
      if (cell) cell.textContent = age(s.worst, now);
    }
  }

  // ---- hands ------------------------------------------------------------------------------------------------------

  function toggle(name, open) {
    const service = services.find((s) => s.service === name), row = document.getElementById(`s-${name}`);
    if (!service || !row) return;
    service.open = open ?? !service.open;
    row.querySelector("button").setAttribute("aria-expanded", service.open);
    if (row.nextElementSibling?.classList.contains("detail")) row.nextElementSibling.remove();
    if (service.open) row.insertAdjacentHTML("afterend", detailHtml(service, Date.now()));
  }
  function follow() {
    const name = decodeURIComponent(location.hash.slice(1)), service = services.find((s) => s.service === name);
    if (!service) return;
    Object.assign(view, {text: "", tier: "", owner: "", states: new Set()});
    $("find").value = $("tier").value = $("owner").value = "";
    service.open = true;
    states();
    draw();
    const show = () => { const row = document.getElementById(`s-${name}`); row ? row.scrollIntoView({block: "start"}) : later(show); };
    show();
  }
  $("rows").addEventListener("click", (event) => { const name = event.target.closest("button[data-service]")?.dataset.service; if (name) toggle(name); });
  for (const th of document.querySelectorAll("th[data-key]")) th.querySelector("button").addEventListener("click", () => {
    view.down = view.key === th.dataset.key && !view.down;
    view.key = th.dataset.key;
    draw();
  });
  $("sort").innerHTML = [...document.querySelectorAll("th[data-key]")].map((th) => `<option value="${th.dataset.key}">By ${th.querySelector("button").firstChild.textContent.trim().toLowerCase()}</option>`).join("");
  $("sort").addEventListener("change", (event) => { Object.assign(view, {key: event.target.value, down: false}); draw(); });
  $("states").addEventListener("click", (event) => {
    const state = event.target.closest("button")?.dataset.state;
    if (!state) return;
    view.states.has(state) ? view.states.delete(state) : view.states.add(state);
    states();
    draw();
    document.querySelector(`[data-state="${state}"]`)?.focus();
  });
  $("find").addEventListener("input", (event) => { view.text = event.target.value; draw(); });
  for (const [id, values] of [["tier", report.tiers.map((t) => t.tier)], ["owner", [...new Set(services.map((s) => s.owner))].filter(Boolean).sort()]]) {
    $(id).insertAdjacentHTML("beforeend", values.map((v) => `<option>${esc(v)}</option>`).join(""));
    $(id).addEventListener("change", (event) => { view[id] = event.target.value; draw(); });
  }
  const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
  try { const kept = localStorage.getItem("drillyard-theme"); if (kept) document.documentElement.dataset.theme = kept; } catch { /* opened from a place without storage */ }
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("drillyard-theme", document.documentElement.dataset.theme); } catch { /* the choice holds until the page is closed */ }
    label();
  });
  $("print").addEventListener("click", () => print());
  addEventListener("hashchange", follow);
  label();
  refresh(true);
  follow();
  setInterval(refresh, 15000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
})();
