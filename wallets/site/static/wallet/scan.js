// @ts-check
/** The panel that takes something in: by camera, picture file, or pasted text. */

import { loadReader, readPicture, watchCamera } from "./reader.js";
import { Recogniser } from "./recognise.js";
import { t } from "./text.js";
import { actionButton, announce, field, fill, h, refusal } from "./view.js";

/**
 * A panel with three ways in. `onFound` is called once for each whole thing.
 * @param {(found: import("./recognise.js").Found) => Promise<void> | void} onFound
 * @param {{ typed?: string, hint?: string, label?: string }} [words] `typed` is the label of the text field.
 */
export function scanPanel(onFound, words = {}) {
  const recogniser = new Recogniser();
  const place = h("div", { class: "answer" });
  const progress = h("p", { class: "scan-progress", role: "status" });
  /** @param {string[]} texts */
  const take = async (texts) => {
    for (const text of texts) {
      const found = recogniser.take(text);
      const { held, total } = recogniser.progress;
      fill(progress, total ? t("{held} of {total} parts read", { held, total }) : "");
      if (found) {
        await onFound(found);
        return true;
      }
    }
    return false;
  };
  const video = h("video", {
    class: "camera",
    muted: true,
    playsinline: true,
    hidden: true,
    "aria-label": t("Camera"),
  });
  const camera = cameraButton(video, place, take);
  const file = h("input", { type: "file", accept: "image/*", multiple: true, class: "picture" });
  file.addEventListener("change", () =>
    guarded(place, async () => {
      const texts = (await Promise.all([...file.files].map(readPicture))).flat();
      file.value = "";
      await take(texts);
    }),
  );
  const typed = h("textarea", { rows: "2", autocomplete: "off", spellcheck: "false", class: "paste" });
  const use = h("button", { type: "button", class: "use" }, t("Use this text"));
  use.addEventListener("click", () =>
    guarded(place, async () => {
      const done = await take([typed.value]);
      typed.value = done ? "" : typed.value;
    }),
  );
  return h(
    "section",
    { class: "scan", "aria-label": words.label ?? t("Scan or paste") },
    video,
    camera,
    field(t("Choose a picture of a code"), file),
    field(words.typed ?? t("Or paste the text"), typed, words.hint),
    use,
    progress,
    place,
  );
}

/** @param {any} video @param {Element} place @param {(texts: string[]) => Promise<boolean>} take */
function cameraButton(video, place, take) {
  /** @type {(() => void) | null} */
  let stop = null;
  const node = actionButton(t("Use the camera"), async () => {
    if (stop) {
      stop();
      stop = null;
      video.hidden = true;
      button.textContent = t("Use the camera");
      return;
    }
    video.hidden = false;
    try {
      stop = await watchCamera(video, async (text) => {
        try {
          return await take([text]);
        } catch (error) {
          fill(place, refusal(error));
          return false;
        }
      });
      button.textContent = t("Stop the camera");
    } catch (error) {
      video.hidden = true;
      throw error;
    }
  });
  const button = node.querySelector("button");
  return node;
}

/** @param {Element} place @param {() => Promise<void>} work */
async function guarded(place, work) {
  place.replaceChildren();
  try {
    await work();
  } catch (error) {
    fill(place, refusal(error));
    announce(t("That could not be read."));
  }
}

/** Load the reader when the page has nothing else to do, so that it is there without a network. */
export function loadReaderLater() {
  const idle = window.requestIdleCallback ?? ((/** @type {() => void} */ work) => setTimeout(work, 1500));
  idle(() => loadReader().catch(() => undefined));
}
