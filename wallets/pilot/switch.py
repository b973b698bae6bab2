"""The one script of a report's page: it chooses the language and makes wide tables reachable by keyboard.

The page is whole without it. All three languages stand in the page, and which one shows follows from three radio
buttons by style alone; the script picks the reader's language at the start (the one chosen before, else the best of
the browser's, else English), keeps the choice, and names the page and its language for those who listen. A box that is
wider than the window can be scrolled with the arrow keys. It fetches nothing and writes nothing into the page's text.
"""

SCRIPT = """
(() => {
  "use strict";
  const key = "tenge.report.language";
  const root = document.documentElement;
  const buttons = [...document.querySelectorAll("input[name=tongue]")];
  const names = buttons.map((button) => button.value);
  const body = (name) => document.querySelector(`.tongue[lang=${name}]`);
  const kept = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const keep = (name) => { try { localStorage.setItem(key, name); } catch { /* some browsers keep nothing here */ } };
  const reach = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      const wide = box.scrollWidth > box.clientWidth + 1;
      for (const [name, value] of [["tabindex", "0"], ["role", "group"]]) {
        if (wide) box.setAttribute(name, value); else box.removeAttribute(name);
      }
      const title = box.querySelector("caption, title")?.textContent;
      if (wide && title) box.setAttribute("aria-label", title); else box.removeAttribute("aria-label");
    }
  };
  const show = (name) => {
    const button = buttons.find((one) => one.value === name);
    button.checked = true;
    root.lang = name;
    document.title = body(name).dataset.title;
    reach();
  };
  const wanted = () => {
    const browser = (navigator.languages ?? []).map((name) => name.slice(0, 2).toLowerCase());
    const asked = [location.hash.slice(1, 3), kept(), ...browser];
    return asked.find((name) => names.includes(name)) ?? "en";
  };
  for (const button of buttons) {
    button.addEventListener("change", () => {
      show(button.value);
      keep(button.value);
    });
  }
  show(wanted());
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target) target.scrollIntoView();
  addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
})();
""".strip()
