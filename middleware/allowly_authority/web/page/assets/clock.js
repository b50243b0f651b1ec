// The authority's clock: what it said last, and how long ago that was. This computer's own clock may be wrong, and is
// only asked whether the computer slept meanwhile.

const SLEPT_MS = 2000;

let saidMs = Date.now();
let saidAt = performance.now();
let wallAt = Date.now();

/** Take what the authority says the time is. */
export function set(timestamp) {
  const milliseconds = Date.parse(timestamp);
  if (Number.isNaN(milliseconds)) return;
  saidMs = milliseconds;
  saidAt = performance.now();
  wallAt = Date.now();
}

/** Return the authority's time, in milliseconds since 1970. */
export function now() {
  return saidMs + (performance.now() - saidAt);
}

/** Tell whether the time must be asked for again: the two clocks of this computer have gone apart. */
export function isDoubtful() {
  return Math.abs(Date.now() - wallAt - (performance.now() - saidAt)) > SLEPT_MS;
}

/** Write a time that is left, such as "1 h 04 min" or "41 s". */
export function left(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const two = (number) => String(number).padStart(2, "0");
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  if (hours > 0) return `${hours} h ${two(minutes % 60)} min`;
  return minutes > 0 ? `${minutes} min ${two(seconds % 60)} s` : `${seconds} s`;
}

/** Write a time of the authority for people, with its zone. */
export function moment(timestamp) {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return "an unreadable time";
  const shown = { dateStyle: "medium", timeStyle: "long" };
  return new Intl.DateTimeFormat(document.documentElement.lang, shown).format(date);
}
