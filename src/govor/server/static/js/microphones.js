// Which microphone to listen to: one choice for the whole page, offered wherever something is recorded.
import { make, recall, remember } from "./dom.js";
import { onLanguage, t } from "./language.js";

const offers = new Set();

export const chosenMicrophone = () => recall("microphone");

/** Let a select element offer the microphones that there are. */
export function offerMicrophones(select) {
  offers.add(select);
  select.addEventListener("change", () => {
    remember("microphone", select.value);
    showMicrophones();
  });
  showMicrophones();
}

/** List the microphones anew; browsers tell their names only after access was granted once. */
export async function showMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const found = devices.filter((device) => device.kind === "audioinput" && device.deviceId && device.deviceId !== "default");
  const names = found.map((device, index) => device.label || t("microphone_number", { number: index + 1 }));
  const chosen = chosenMicrophone();
  for (const select of offers) {
    const options = found.map((device, index) => make("option", { value: device.deviceId }, names[index]));
    select.replaceChildren(make("option", { value: "" }, t("microphone_default")), ...options);
    select.value = found.some((device) => device.deviceId === chosen) ? chosen : "";
  }
}

navigator.mediaDevices?.addEventListener?.("devicechange", showMicrophones);
onLanguage(showMicrophones);
