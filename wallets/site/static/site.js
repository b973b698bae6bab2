// What every page of a desk may do without asking anybody: copy an id, confirm what is dangerous, follow the news.
// There is nothing inline in any page, so everything hangs on data attributes.

const news = document.querySelector("[data-news]");
if (news && "EventSource" in window) {
  let seen = "";
  const source = new EventSource(news.dataset.news);
  source.addEventListener("changed", (event) => {
    if (seen === "") seen = event.data;
    else if (event.data !== seen) news.hidden = false;
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = button.dataset.copied;
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  // Pressed twice is harmless (the request has an id), but it should not look otherwise.
  for (const button of form.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
});
