// Pages that wait for work in the background ask every second how far it is, and load again when it has ended.

const waiting = document.querySelector("[data-state]");
if (waiting) {
  const bar = waiting.querySelector("progress");
  const text = waiting.querySelector("[data-text]");
  const ask = async () => {
    try {
      const answer = await fetch(waiting.dataset.state, { cache: "no-store" });
      const now = await answer.json();
      if (now.state !== "running") {
        location.reload();
        return;
      }
      if (now.of) {
        bar.max = now.of;
        bar.value = now.done;
      }
      text.textContent = now.of ? `${now.done} / ${now.of} ${now.text}` : "";
    } catch {
      // The server is busy or away: asked again.
    }
    setTimeout(ask, 1000);
  };
  setTimeout(ask, 1000);
}
