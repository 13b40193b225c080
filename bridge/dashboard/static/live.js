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

  // A click is lost if what it began on is replaced before it is over. Of a finger it comes
  // a while after the finger has gone.
  const CLICK_MS = 300;
  let held = false;
  let releasing = 0;
  const hold = () => { clearTimeout(releasing); held = true; };
  const release = () => {
    clearTimeout(releasing);
    releasing = setTimeout(() => { held = false; }, CLICK_MS);
  };
  const space = (then) => (event) => { if (event.key === " ") then(); };
  addEventListener("pointerdown", hold, true);
  addEventListener("keydown", space(hold), true);
  addEventListener("pointerup", release, true);
  addEventListener("pointercancel", release, true);
  addEventListener("keyup", space(release), true);
  addEventListener("blur", release);

  // Whoever writes into a form, selects text, or has a key or button down is not disturbed.
  const busy = (main) => {
    const active = document.activeElement;
    const typing = active && main.contains(active) && active.matches("input, select");
    return held || typing || String(getSelection()).length > 0;
  };

  // What has the keyboard is found again by its id, or by where it leads and what it is in.
  const mark = (one) => one.id || [
    one.localName,
    one.getAttribute("href"),
    one.form?.getAttribute("action"),
    one.closest("[id]").id,
  ].join(" ");
  const alike = (main, wanted) =>
    [...main.querySelectorAll("a, button, summary, [tabindex], [id]")].filter((one) => mark(one) === wanted);

  const replace = (main, fresh) => {
    const active = main.contains(document.activeElement) ? document.activeElement : null;
    const wanted = active && active !== main ? mark(active) : null;
    const nth = wanted === null ? -1 : alike(main, wanted).indexOf(active);
    for (const kept of main.querySelectorAll("details[id]")) {
      const other = [...fresh.querySelectorAll("details[id]")].find((one) => one.id === kept.id);
      if (other) other.open = kept.open;
    }
    for (const kept of main.querySelectorAll(".filters [name]")) {
      const other = fresh.querySelector(`.filters [name="${kept.name}"]`);
      if (other) other.value = kept.value;
    }
    main.replaceChildren(...fresh.childNodes);
    // What is gone leaves the keyboard in the page, not before it.
    if (wanted !== null) (alike(main, wanted)[nth] || main).focus({ preventScroll: true });
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
