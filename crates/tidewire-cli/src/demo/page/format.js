// Numbers and times as text. Holds no state.

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const oneDecimal = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export const plainNumber = (value) => (typeof value === "number" ? number.format(value) : "");

export const percent = (value) => (typeof value === "number" ? `${oneDecimal.format(value)} %` : "");

export const mebibytes = (bytes) => (typeof bytes === "number" ? `${oneDecimal.format(bytes / 1048576)} MiB` : "");

export const timeOfDay = (at) => (typeof at === "number" ? clock.format(new Date(at)) : "");

/** A figure with the decimals its unit deserves: whole where it counts, one where it measures. */
export function figure(value, unit) {
  if (typeof value !== "number") return "";
  return unit === "" ? number.format(value) : oneDecimal.format(value);
}

/** What a figure has gained or lost since it was last told. */
export function change(before, after) {
  if (typeof before !== "number" || typeof after !== "number") return "";
  const step = Math.round((after - before) * 100) / 100;
  if (step === 0) return "unchanged";
  return `${step > 0 ? "\u25b2" : "\u25bc"} ${number.format(Math.abs(step))}`;
}
