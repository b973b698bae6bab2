// What every page of a desk may do without asking anybody: copy an id, confirm what is dangerous, follow the news, say
// when there is no network. There is nothing inline in any page, so everything hangs on data attributes.

const news = document.querySelector("[data-news]");
if (news && "EventSource" in window) {
  // What the page was made from: something may have changed since, before the first event comes.
  const seen = news.dataset.newsSeen;
  const source = new EventSource(news.dataset.news);
  source.addEventListener("changed", (event) => { if (event.data !== seen) news.hidden = false; });
}

const offline = document.querySelector("[data-offline]");
const tellNetwork = () => { offline.hidden = navigator.onLine; };
if (offline) {
  for (const name of ["online", "offline"]) window.addEventListener(name, tellNetwork);
  tellNetwork();
}

// A refusal gets the focus, so that who listens hears it first and who types is beside it.
document.querySelector("[data-look]")?.focus({ preventScroll: true });

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = button.dataset.copied;
});

/** The form that is being sent because its question was answered. */
let meant = null;

/** Ask before a form is sent. The way back has the focus; Escape goes back too. */
function confirmed(form, button) {
  const dialog = document.createElement("dialog");
  const question = document.createElement("p");
  const inside = document.createElement("form");
  const row = document.createElement("div");
  const [back, sure] = [document.createElement("button"), document.createElement("button")];
  question.id = "question";
  dialog.setAttribute("aria-labelledby", "question");
  question.textContent = form.dataset.confirm;
  inside.method = "dialog";
  row.className = "row";
  back.textContent = form.dataset.back;
  back.autofocus = true;
  sure.textContent = button?.textContent ?? "OK";
  sure.value = "sure";
  sure.className = button?.className ?? "danger";
  row.append(back, sure);
  inside.append(question, row);
  dialog.append(inside);
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue !== "sure") return;
    meant = form;
    form.requestSubmit(button);
    meant = null;
  });
  dialog.showModal();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
  const button = event.submitter ?? form.querySelector("button");
  if (form.dataset.confirm && form !== meant) {
    event.preventDefault();
    confirmed(form, button);
    return;
  }
  // Pressed twice is harmless (the request has an id), but it should not look otherwise.
  for (const one of form.querySelectorAll("button")) setTimeout(() => { one.disabled = true; });
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const one of document.querySelectorAll("form button")) one.disabled = false;
});

// Now whoever presses is asked.
for (const one of document.querySelectorAll("[data-asks]")) one.disabled = false;
