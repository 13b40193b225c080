// Shows what is new every few seconds. Without this script the pages are the same, only still.
"use strict";
(() => {
  const EVERY_MS = 3000;
  const place = document.getElementById("live-place");
  if (!document.querySelector("main[data-live]") || !place) return;

  let paused = sessionStorage.getItem("paused") === "yes";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain live";
  place.append("· ", button);
  const show = (text) => { button.textContent = text; };
  const name = () => show(paused ? "Paused – resume" : "Live – pause");
  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "yes" : "no");
    name();
  });
  name();

  // Whoever writes into a form, selects text or has the keyboard in a list is not disturbed.
  const busy = (main) => {
    const active = document.activeElement;
    const typing = active && main.contains(active) && active.matches("input, select");
    return typing || String(getSelection()).length > 0;
  };

  const replace = (main, fresh) => {
    const focus = main.contains(document.activeElement) ? document.activeElement.id : "";
    for (const kept of main.querySelectorAll("details[id]")) {
      const other = [...fresh.querySelectorAll("details[id]")].find((one) => one.id === kept.id);
      if (other) other.open = kept.open;
    }
    main.replaceChildren(...fresh.childNodes);
    if (focus) document.getElementById(focus)?.focus();
  };

  const look = async () => {
    const main = document.querySelector("main[data-live]");
    if (paused || document.hidden || busy(main)) return;
    try {
      const answer = await fetch(location.href, {
        credentials: "same-origin",
        headers: { "X-Dashboard-Live": "1" },
      });
      if (answer.redirected) return location.reload();
      if (!answer.ok) return show("Not live: " + answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main[data-live]");
      if (fresh && !paused && !busy(main) && fresh.innerHTML !== main.innerHTML) replace(main, fresh);
      name();
    } catch {
      show("Not live: no answer");
    }
  };

  (async () => {
    for (;;) {
      await new Promise((done) => setTimeout(done, EVERY_MS));
      await look();
    }
  })();
})();
