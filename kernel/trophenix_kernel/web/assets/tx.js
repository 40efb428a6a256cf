// Behaviours of the shell that HTML alone does not have. Every page works without this file; nothing here writes HTML.
(() => {
  "use strict";
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add("tx-js");

  // --- what only makes sense with JavaScript becomes visible ---
  const reveal = (within = document) => all("[data-js]", within).forEach((part) => { part.hidden = false; });

  // --- side bar on small screens ---
  const nav = (open) => {
    if (open) root.dataset.nav = "open"; else delete root.dataset.nav;
    one("[data-act=nav]")?.setAttribute("aria-expanded", String(open));
    if (open) one(".tx-side a, .tx-side button")?.focus();
  };

  // --- light, dark, automatic: at once here, remembered by the server ---
  const mode = (button) => {
    if (button.value === "auto") delete root.dataset.theme; else root.dataset.theme = button.value;
    all("[data-act=mode]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    all("[data-act=mode] .tx-menu-check").forEach((check) => { check.hidden = check.closest("button") !== button; });
    const form = button.form, data = new FormData(form);
    data.set(button.name, button.value);
    fetch(form.action, { method: "POST", body: new URLSearchParams(data), credentials: "same-origin", redirect: "manual" }).catch(() => {});
    button.closest("[popover]")?.hidePopover();
  };

  // --- dialogues, for browsers that do not know command= yet ---
  const commands = "commandForElement" in HTMLButtonElement.prototype;
  const dialogue = (button) => {
    const target = document.getElementById(button.getAttribute("commandfor"));
    if (button.getAttribute("command") === "close") target?.close(); else target?.showModal();
  };

  // --- asking before what cannot be undone; without JavaScript the server asks ---
  let sure = null;
  const ask = (form, button) => {
    const box = one("#tx-confirm");
    if (!box) return false;
    one("[data-confirm-text]", box).textContent = button.dataset.confirm;
    const yes = one("[data-confirm-yes]", box);
    yes.textContent = button.dataset.confirmYes || button.textContent.trim();
    box.returnValue = "";
    box.addEventListener("close", () => {
      if (box.returnValue !== "yes") { button.focus(); return; }
      const mark = Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "yes" });
      form.append(mark);
      sure = button;
      form.requestSubmit(button);
    }, { once: true });
    box.showModal();
    return true;
  };

  // --- the palette: every entry of the side bar by a few letters ---
  const palette = one("#tx-palette");
  const entries = () => {
    const found = all(".tx-nav a, [data-palette]").map((link) => ({
      href: link.href,
      label: link.dataset.palette || link.querySelector("span")?.textContent.trim() || link.textContent.trim(),
      group: link.closest("section")?.querySelector("h2")?.textContent.trim() || "",
      icon: link.querySelector("svg"),
    }));
    return found.filter((entry, at) => found.findIndex((other) => other.href === entry.href) === at);
  };
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const fill = () => {
    const input = one("input", palette), list = one("ul", palette);
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    const shown = entries().filter((entry) => words.every((word) => plain(`${entry.label} ${entry.group}`).includes(word)));
    list.replaceChildren(...shown.map((entry, at) => {
      const item = document.createElement("li");
      item.id = `tx-palette-${at}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(at === 0));
      item.dataset.href = entry.href;
      if (entry.icon) item.append(entry.icon.cloneNode(true));
      item.append(entry.label);
      if (entry.group) item.append(Object.assign(document.createElement("small"), { textContent: entry.group }));
      return item;
    }));
    list.hidden = !shown.length;
    one(".tx-palette-none", palette).hidden = shown.length > 0;
    if (shown.length) input.setAttribute("aria-activedescendant", "tx-palette-0"); else input.removeAttribute("aria-activedescendant");
  };
  const open = () => {
    if (!palette || palette.open) return;
    one("input", palette).value = "";
    fill();
    palette.showModal();
    one("input", palette).focus();
  };
  const step = (by) => {
    const items = all("li", palette), now = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
    if (!items.length) return;
    const next = (now + by + items.length) % items.length;
    items.forEach((item, at) => item.setAttribute("aria-selected", String(at === next)));
    items[next].scrollIntoView({ block: "nearest" });
    one("input", palette).setAttribute("aria-activedescendant", items[next].id);
  };
  palette?.addEventListener("input", fill);
  palette?.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (item) location.assign(item.dataset.href); else if (event.target === palette) palette.close();
  });
  palette?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { step(1); event.preventDefault(); }
    if (event.key === "ArrowUp") { step(-1); event.preventDefault(); }
    if (event.key === "Enter") { const item = one("li[aria-selected=true]", palette); if (item) location.assign(item.dataset.href); event.preventDefault(); }
  });

  // --- clicks ---
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act], [commandfor]");
    if (!button) { if (root.dataset.nav && !event.target.closest(".tx-side")) nav(false); return; }
    switch (button.dataset.act) {
      case "nav": event.preventDefault(); nav(root.dataset.nav !== "open"); return;
      case "nav-close": event.preventDefault(); nav(false); one("[data-act=nav]")?.focus(); return;
      case "mode": event.preventDefault(); mode(button); return;
      case "palette": open(); return;
      case "copy": {
        const field = one(button.dataset.copy);
        field.select();
        navigator.clipboard?.writeText(field.value).then(() => { one("span", button).textContent = button.dataset.done; }, () => {});
        return;
      }
    }
    if (!commands && button.hasAttribute("commandfor")) dialogue(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && root.dataset.nav) { nav(false); one("[data-act=nav]")?.focus(); }
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); }
    if (event.key === "/" && !event.target.closest("input, textarea, select, [contenteditable]")) {
      const search = one("#tx-q");
      if (search) { event.preventDefault(); search.focus(); }
    }
  });

  // --- forms ---
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.confirm) return;
    if (sure === button) { sure = null; return; }
    if (ask(event.target, button)) { event.preventDefault(); event.stopImmediatePropagation(); }
  }, true);

  // --- ticks in lists ---
  const count = (form) => {
    const ticks = all(".tx-row-check", form), on = ticks.filter((tick) => tick.checked).length;
    const whole = one("[data-all]", form), said = one("[data-chosen]", form);
    if (whole) { whole.checked = on > 0 && on === ticks.length; whole.indeterminate = on > 0 && on < ticks.length; }
    if (said) said.textContent = String(on);
  };
  document.addEventListener("change", (event) => {
    const form = event.target.closest(".tx-listform");
    if (form && event.target.matches("[data-all]")) all(".tx-row-check", form).forEach((tick) => { tick.checked = event.target.checked; });
    if (form) count(form);
    if (event.target.matches(".tx-drop input")) {
      const file = event.target.files[0];
      one("output", event.target.closest(".tx-drop")).textContent = file ? file.name : "";
    }
  });
  for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(name, (event) => event.target.closest?.(".tx-drop")?.classList.toggle("tx-drop-over", over));
  }

  // --- chart tool tips ---
  document.addEventListener("pointermove", (event) => {
    const hit = event.target.closest?.(".tx-chart-hit i");
    all(".tx-chart-tip:not([hidden])").forEach((tip) => { if (!hit || !tip.closest(".tx-chart-plot").contains(hit)) tip.hidden = true; });
    if (!hit) return;
    const plot = hit.closest(".tx-chart-plot"), tip = one(".tx-chart-tip", plot);
    const names = all(".tx-key", plot.closest(".tx-chart")).map((key) => key.textContent);
    tip.replaceChildren(
      Object.assign(document.createElement("span"), { textContent: hit.dataset.label, className: "tx-muted" }),
      ...names.flatMap((name, at) => {
        const value = hit.dataset[`v${at + 1}`];
        if (value === undefined) return [];
        const line = document.createElement("div");
        line.append(Object.assign(document.createElement("b"), { textContent: value }), ` ${name}`);
        return [line];
      }),
    );
    tip.hidden = false;
    const middle = hit.offsetLeft + hit.offsetWidth / 2, width = tip.offsetWidth;
    const left = middle + (middle > plot.offsetWidth / 2 ? -width - 12 : 12);
    tip.style.left = `${Math.max(0, Math.min(plot.offsetWidth - width, left))}px`;
  });

  // --- after htmx: the token goes along, counts are said, the first fault gets the focus ---
  document.addEventListener("htmx:config:request", (event) => {
    const token = one("meta[name=csrf-token]")?.content, request = event.detail?.ctx?.request;
    if (token && request) request.headers["X-CSRF-Token"] = token;
  });
  document.addEventListener("htmx:after:swap", () => {
    reveal();
    const said = one("[data-say]"), live = one("#tx-live");
    if (said && live && live.textContent !== said.textContent) live.textContent = said.textContent;
    one("[data-autofocus]")?.focus();
  });
  const fade = () => all(".tx-toast").forEach((toast) => setTimeout(() => toast.remove(), 6000));

  reveal();
  fade();
  one("[data-autofocus]")?.focus();
})();
