// Numbers and times as people read them.

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

export const none = '\u2013';

/** A count, with its thousands apart. */
export const count = (number) => (number === null || number === undefined ? none : whole.format(number));

/** Something a second. One digit behind the point while that says anything. */
export function rate(number) {
  if (number === null || number === undefined) return none;
  if (number === 0) return '0';
  if (number < 0.05) return '<0.1';
  return number < 100 ? number.toFixed(1) : whole.format(number);
}

/** Bytes in the unit that fits. */
export function bytes(number) {
  if (number === null || number === undefined) return none;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || number >= 100 || Number.isInteger(number) ? 0 : 1;
  return `${number.toFixed(digits)} ${units[unit]}`;
}

/** A span of seconds in its two largest units. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return none;
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  if (hours < 48) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** An age: under a second it is none. */
export const age = (seconds) =>
  (seconds === null || seconds === undefined ? none : seconds < 1 ? 'under 1 s' : span(seconds));

/** Milliseconds, and seconds where they are more. */
export function ms(number) {
  if (number === null || number === undefined) return none;
  if (number >= 10000) return `${(number / 1000).toFixed(0)} s`;
  if (number >= 1000) return `${(number / 1000).toFixed(1)} s`;
  return `${number < 10 ? number.toFixed(1) : number.toFixed(0)} ms`;
}

/** The time of an instant, with its day where that is not today. */
export function time(instant) {
  if (!instant) return none;
  const at = new Date(instant);
  const today = new Date().toDateString() === at.toDateString();
  return today ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}
